"""What holds for each page that hotloop writes: it loads nothing, and can be read without eyes or a mouse."""

import base64
import hashlib
import re
from collections import Counter
from itertools import pairwise

from html_reader import parsed

# Elements and attributes that load something; a link within the page begins with #, data is in the page itself.
LOADING = {"iframe", "object", "embed", "base", "audio", "video", "source", "track", "form"}
ADDRESSES = {"src", "href", "xlink:href", "srcset", "data", "poster", "action", "formaction", "background", "ping"}


def breaches(page):
    """Return in words what a page does that it must not; the tree of a page that is not balanced raises."""
    tree = parsed(page.removeprefix("<!DOCTYPE html>\n"))
    return [*_loads(tree), *_reads(tree), *([] if page.startswith("<!DOCTYPE html>") else ["no doctype"])]


def _loads(tree):
    nodes = tree.all()
    code = "".join(child for node in nodes if node.tag in ("style", "script") for child in node.children)
    values = [(node, name, value or "") for node in nodes for name, value in node.attributes.items()]
    everywhere = code + " ".join(value for _, _, value in values)
    ids = {node.attributes.get("id") for node in nodes}
    found = [f"<{node.tag}>" for node in nodes if node.tag in LOADING]
    found += [f"{name}={value[:40]}" for _, name, value in values if name in ADDRESSES
              and not value.startswith("data:") and value.removeprefix("#") not in ids]  # fmt: skip
    found += [f"{name} is a handler" for _, name, _ in values if name.startswith("on")]
    urls = re.findall(r"url\(\s*[\"']?([^)\"']*)", everywhere)
    found += [f"url({url})" for url in urls if url[:1] != "#" or url[1:] not in ids]
    found += re.findall(r"@import|@font-face|https?:", code)
    found += re.findall(r"\b(?:fetch|XMLHttpRequest|import|WebSocket|sendBeacon|eval)\b", code)
    policies = [node.attributes["content"] for node in tree.all("meta") if "http-equiv" in node.attributes]
    digests = [base64.b64encode(hashlib.sha256("".join(node.children).encode()).digest()).decode()
               for node in tree.all("script")]  # fmt: skip
    if len(policies) != 1 or "default-src 'none'" not in policies[0]:
        found.append("no policy that forbids loading")
    elif any(f"'sha256-{digest}'" not in policies[0] for digest in digests):
        found.append("a script that the policy forbids")
    return found


def _reads(tree):
    nodes = tree.all()
    ids = Counter(node.attributes["id"] for node in nodes if "id" in node.attributes)
    found = [f"id {name} {times} times" for name, times in ids.items() if times > 1]
    found += [] if tree.one("html").attributes.get("lang") else ["no language"]
    found += [] if tree.one("head").one("title").text else ["no title"]
    levels = [int(node.tag[1]) for node in nodes if re.fullmatch("h[1-6]", node.tag)]
    if levels[:1] != [1] or levels.count(1) != 1:
        found.append(f"headings {levels}")
    found += [f"h{low} before h{high}" for low, high in pairwise(levels) if high > low + 1]
    found += [f"{len(tree.all(tag))} <{tag}>" for tag in ("header", "nav", "main", "footer") if len(tree.all(tag)) != 1]
    texts = {node.attributes["id"]: node.text for node in nodes if "id" in node.attributes}
    landmarks = [node for node in nodes if node.tag in ("nav", "section") or node.attributes.get("role") == "region"]
    names = Counter(node.attributes.get("aria-label") or texts.get(node.attributes.get("aria-labelledby"))
                    for node in landmarks)  # fmt: skip
    found += [f"{times} landmarks called {name}" for name, times in names.items() if times > 1]
    for node in nodes:
        given = node.attributes
        named = [name for name in (given.get("aria-labelledby") or "").split() if name not in ids]
        found += [f"a label {name} that is nowhere" for name in named]
        if node.tag == "svg":
            labels = {child.tag for child in node.children if not isinstance(child, str)} & {"title", "desc"}
            good = given.get("role") == "img" and given.get("aria-labelledby") and len(labels) == 2
            found += [] if good and all(child.text for child in node.all() if child.tag in labels) else ["a silent svg"]
        if node.tag == "img" and not given.get("alt"):
            found.append("an image without words")
        if given.get("role") == "region" and not (given.get("tabindex") == "0" and given.get("aria-label")):
            found.append("a region that cannot be reached")
        if node.tag in ("nav", "section") and not (given.get("aria-label") or given.get("aria-labelledby")):
            found.append(f"a <{node.tag}> without a name")
        if node.tag == "button" and not (node.text and given.get("type") == "button"):
            found.append("a button without a name")
        if node.tag == "th" and not node.text:
            found.append("an empty head")
        if node.tag == "table":
            scrolls = [n for n in nodes if n.attributes.get("role") == "region" and node in n.all()]
            found += [] if scrolls else ["a table outside of a region"]
            found += [] if node.all("th") else ["a table without heads"]
    found += ["a head without a scope" for node in nodes if node.tag == "th" and "scope" not in node.attributes]
    mains = [f"#{node.attributes.get('id')}" for node in tree.all("main")]
    return found + ([] if tree.all("a")[0].attributes.get("href") in mains else ["no link that skips"])
