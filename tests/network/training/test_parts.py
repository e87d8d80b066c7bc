"""Training data that come in parts: the bits of the same batches from arrays; nothing may need all rows at once."""

from itertools import cycle, pairwise

import numpy as np
import pytest
from conftest import same_bits
from small_networks import QUIET, build, everything

from hotloop import SGD, Adam, Callback, DivergenceError, Network
from hotloop.datasets import Stream
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.schedules import OneCycle

X, Y = np.random.default_rng(0).normal(size=(40, 5)), np.random.default_rng(1).normal(size=(40, 3))
SIZES = (8, 8, 8, 8, 8)
OPTIONS = {"epochs": 3, "optimizer": Adam(0.01), **QUIET}


def batches(sizes=SIZES):
    edges = np.cumsum((0, *sizes))
    return [(X[a:b], Y[a:b]) for a, b in pairwise(edges)]


class Anew:
    """Can be iterated again, and has no length."""

    def __iter__(self):
        return iter(batches())


SOURCES = {
    "a list": batches,
    "an iterable": Anew,
    "a function": lambda: lambda: iter(batches()),
    "a generator": lambda: (pair for _ in range(3) for pair in batches()),
}


@pytest.mark.parametrize("source", SOURCES)
def test_batches_give_the_bits_of_arrays(source):
    """With dropout, a penalty and a largest norm; also of what the history says."""
    nets = [build(dropout=0.2, l2=1e-3, max_norm=1.0) for _ in range(2)]
    steps = {"steps_per_epoch": 5} if source == "a generator" else {}
    found = nets[0].fit(SOURCES[source](), **OPTIONS, **steps, gradient_norm=True)
    wanted = nets[1].fit(X, Y, batch_size=8, shuffle=False, **OPTIONS, gradient_norm=True)
    assert everything(nets[0]) == everything(nets[1])
    for name in ("loss", "gradient_norm", "learning_rate"):
        assert found[name] == pytest.approx(wanted[name], rel=1e-12)
    assert (nets[0].steps, nets[0].epochs_trained) == (15, 3)


def test_one_part_is_an_array():
    """Cut into batches, and shuffled as an array is."""
    nets = [build() for _ in range(2)]
    nets[0].fit([(X, Y)], batch_size=7, **OPTIONS)
    nets[1].fit(X, Y, batch_size=7, **OPTIONS)
    assert everything(nets[0]) == everything(nets[1])


def test_parts_of_any_sizes_and_types():
    """Batches grow and shrink; bytes come after floats."""
    sizes = (3, 20, 1, 16)
    net = build()
    given = [(x.astype(kind), y) for (x, y), kind in zip(batches(sizes), ("f4", "f8", "f4", "i4"), strict=True)]
    steps, rows = [], []

    class Notes(Callback):
        def on_step(self, fit):
            steps.append(fit.step)
            rows.append((fit.rows, fit.rows_done))

    net.fit(given, epochs=2, optimizer=SGD(0.01), callbacks=[Notes()], **QUIET)
    assert steps == [*range(1, 9)]
    assert rows == [(None, n) for n in np.cumsum(sizes)] + [(40, n) for n in np.cumsum(sizes)]


def test_weights_come_with_the_batches():
    weight = np.random.default_rng(2).uniform(size=40) * np.repeat([1, 1000, 0, 1e-9, 3], 8)
    nets = [build() for _ in range(2)]
    found = nets[0].fit([(x, y, weight[8 * i : 8 * i + 8]) for i, (x, y) in enumerate(batches())], **OPTIONS)
    wanted = nets[1].fit(X, Y, sample_weight=weight, batch_size=8, shuffle=False, **OPTIONS)
    assert nets[0].parameters == pytest.approx(nets[1].parameters, rel=1e-5, abs=1e-6)
    assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-6)


def test_class_weights_count_beside_those_of_other_batches():
    """A class that is missing in a batch, too; batches of no weight count for nothing."""
    labels = np.repeat([0, 1, 2, 0, 1], 8)
    given = [(X[8 * i : 8 * i + 8], labels[8 * i : 8 * i + 8]) for i in range(5)]
    nets = [build(loss="cross_entropy") for _ in range(2)]
    options = OPTIONS | {"class_weight": {0: 1.0, 1: 1000.0, 2: 0.0}}
    found = nets[0].fit(given, **options)
    wanted = nets[1].fit(X, labels, batch_size=8, shuffle=False, **options)
    assert nets[0].parameters == pytest.approx(nets[1].parameters, rel=1e-5, abs=1e-6)
    assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-6)
    before = nets[0].parameters.copy()
    nothing = nets[0].fit(given, optimizer=SGD(0.1), epochs=1, class_weight=dict.fromkeys(range(3), 0), **QUIET)
    assert np.isnan(nothing["loss"]).all()
    assert np.array_equal(nets[0].parameters, before)
    with pytest.raises(ValueError, match=r"sample_weight of a batch must be at most 1e\+100, got 1e\+200"):
        nets[0].fit([(X, labels, np.full(40, 1e200))], **OPTIONS)


def test_a_schedule_knows_the_steps():
    nets = [build() for _ in range(2)]
    options = OPTIONS | {"optimizer": SGD(OneCycle(0.1), momentum=0.9)}
    nets[0].fit(batches(), **options)
    nets[1].fit(X, Y, batch_size=8, shuffle=False, **options)
    assert everything(nets[0]) == everything(nets[1])
    for source in (Anew(), lambda: iter(batches())):
        with pytest.raises(ValueError, match="steps: give steps_per_epoch, the batches that X gives in an epoch"):
            nets[0].fit(source, **options)
        with pytest.raises(ValueError, match="steps: give steps_per_epoch, the batches of 4 rows in an epoch"):
            nets[0].fit(source, batch_size=4, **options)


@pytest.mark.parametrize("given", ["a list", "steps_per_epoch"])
def test_a_schedule_counts_the_batches_that_are_trained(given):
    """Cut out of parts of other sizes, the last of each smaller: 3 + 1 + 3 a pass."""
    net, sizes, rates = build(), (20, 2, 18), []

    class Rates(Callback):
        def on_step(self, fit):
            rates.append(fit.learning_rate)

    schedule = OneCycle(0.1)
    options = OPTIONS | {"optimizer": SGD(schedule), "batch_size": 8, "callbacks": [Rates()]}
    if given == "a list":
        net.fit(batches(sizes), **options)
    else:
        net.fit(lambda: iter(batches(sizes)), steps_per_epoch=7, **options)
    assert rates == pytest.approx([schedule(step, 21) for step in range(21)], rel=1e-12)


@pytest.mark.parametrize("source", ["a list", "a function", "an iterable"])
def test_an_epoch_goes_on_where_the_last_ended(source):
    """Batches 1, 2; 3, 4; 5, 1; 2, 3: as of an iterator that never ends."""
    nets = [build() for _ in range(2)]
    histories = [
        net.fit(given, **OPTIONS | {"epochs": 4}, steps_per_epoch=2, validation_data=(X, Y))
        for net, given in zip(nets, (SOURCES[source](), cycle(batches())), strict=True)
    ]
    assert everything(nets[0]) == everything(nets[1])
    assert histories[0]["loss"] == histories[1]["loss"]
    assert (nets[0].steps, nets[0].epochs_trained) == (8, 4)
    twin = build()
    twin.fit(batches(), **OPTIONS | {"epochs": 1})
    twin.fit(batches()[:3], **OPTIONS | {"epochs": 1})
    assert same_bits(nets[0].parameters, twin.parameters)


def test_an_epoch_may_end_within_a_part():
    """Steps of 8 rows out of 40 with weights, three an epoch; the rest of a part begins the next."""
    nets, weight = [build() for _ in range(2)], np.linspace(0.5, 2, 40)
    options = OPTIONS | {"shuffle": False, "epochs": 3, "steps_per_epoch": 3, "gradient_norm": True}
    given = [(X[:20], Y[:20], weight[:20]), (X[20:], Y[20:], weight[20:])]
    found = nets[0].fit(given, batch_size=8, **options)
    cut = [(0, 8), (8, 16), (16, 20), (20, 28), (28, 36), (36, 40), (0, 8), (8, 16), (16, 20)]
    wanted = nets[1].fit([(X[a:b], Y[a:b], weight[a:b]) for a, b in cut], **options)
    assert everything(nets[0]) == everything(nets[1])
    for name in ("loss", "gradient_norm"):
        assert found[name] == pytest.approx(wanted[name], rel=1e-12)


def test_shuffled_steps_within_parts():
    """Each pass over the data trains each row once, whatever the epochs."""
    rows = []

    class Rows(Callback):
        def on_epoch_end(self, fit):
            rows.append(fit.rows_done)

    build().fit(batches((20, 20)), **OPTIONS | {"epochs": 4}, batch_size=8, steps_per_epoch=3, callbacks=[Rows()])
    assert rows == [20, 20, 20, 20]
    rows.clear()
    build().fit(batches((20, 20)), **OPTIONS | {"epochs": 3}, batch_size=8, steps_per_epoch=2, callbacks=[Rows()])
    assert rows == [16, 12, 12]


class Misjudged(list):
    """A list that misjudges its length."""

    def __init__(self, given, length):
        super().__init__(given)
        self.length = length

    def __len__(self):
        return self.length


@pytest.mark.parametrize(("length", "found"), [(3, "more"), (7, "fewer")])
def test_a_schedule_finds_a_wrong_length(length, found):
    net = build()
    message = f"X gave {found} batches in an epoch than the {length} that its length says"
    with pytest.raises(ValueError, match=message):
        net.fit(Misjudged(batches(), length), optimizer=SGD(OneCycle(0.1)), epochs=1, **QUIET)
    net.fit(Misjudged(batches(), length), epochs=2, **QUIET)
    assert np.isfinite(net.parameters).all()


def test_a_stream_of_files(tmp_path):
    paths = []
    for index, (x, y) in enumerate(batches()):
        paths.append(tmp_path / f"{index}.npz")
        np.savez(paths[-1], x=x, y=y)
    nets = [build() for _ in range(2)]
    nets[0].fit(Stream(paths), validation_data=(X, Y), **OPTIONS)
    nets[1].fit(batches(), **OPTIONS)
    assert everything(nets[0]) == everything(nets[1])


BAD = [1.0, np.nan, 0, 0, 0]
FAULTS = {
    "nothing": (list, ValueError, "X has no parts"),
    "an array": (lambda: X, TypeError, "y is missing: without it X is an iterable of pairs"),
    "a number": (lambda: 3, TypeError, "y is missing, or X must be an iterable of pairs"),
    "a text": (lambda: "data", TypeError, "y is missing, or X must be an iterable"),
    "a generator": (lambda: iter(batches()), ValueError, "X can be read once, as a list_iterator, and epochs is 3"),
    "a pair": (lambda: (X, Y), TypeError, r"X is a tuple of 2, and y is missing: did you mean fit\(X, y\)\?"),
    "a pair of lists": (lambda: (X.tolist(), Y.tolist()), TypeError, r"did you mean fit\(X, y\)\?"),
    "three arrays too many": (lambda: [(X, Y, Y, Y)], TypeError, "part 1 is"),
    "a wrong first part": (lambda: [(X[:, :2], Y)], ValueError, "part 1: X has shape"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_data_changes_nothing(fault):
    source, kind, message = FAULTS[fault]
    net = build()
    before = everything(net)
    with pytest.raises(kind, match=message):
        net.fit(source(), **OPTIONS)
    assert everything(net) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation_split": 0.2}, "validation_split needs all rows at once"),
        ({"sample_weight": np.ones(40)}, "sample_weight comes with each batch"),
        ({"class_weight": "balanced"}, "class_weight='balanced' needs all rows at once"),
        ({"checkpoint": "run"}, "checkpoint and resume need data that can be read from any row"),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be"),
    ],
    ids=str,
)
def test_arguments_that_need_all_rows(options, message):
    with pytest.raises(ValueError, match=message):
        build().fit(batches(), **OPTIONS | options)
    with pytest.raises(ValueError, match="steps_per_epoch is for batches from an iterable"):
        build().fit(X, Y, steps_per_epoch=3)


def test_a_fault_in_a_later_part():
    """The network keeps what it has learnt from those before."""
    net, twin = build(), build()
    wrong = X[8:16].copy()
    wrong[1, 1] = np.nan
    with pytest.raises(ValueError, match=r"part 2: X must be finite: found nan in row 1, column 1"):
        net.fit([batches()[0], (wrong, Y[8:16])], **OPTIONS)
    twin.fit(X[:8], Y[:8], batch_size=8, shuffle=False, **OPTIONS | {"epochs": 1})
    assert same_bits(net.parameters, twin.parameters)
    assert net.steps == 1


def test_batches_of_one_size_share_tables_and_scratch(monkeypatch):
    """The bits are those of single steps; sizes and types change and come back, with weights, norms and clipping."""
    made, prepare = [], LoopArguments.prepare

    def note(*given, **options):
        made.append(prepare(*given, **options))
        return made[-1]

    optimizer = Adam(0.01, clip_norm=1.0, clip_value=0.5, learning_rate_factors={"biases": 2.0})
    given = [(x, y, np.linspace(0.5, 1, len(x))) for x, y in batches((8, 8, 8, 4, 4, 8))]
    given[1] = given[1][:2]
    given[5] = (np.round(given[5][0] * 9).astype("u1"), *given[5][1:])
    net, twin = build(l2=1e-3, max_norm=1.0), build(l2=1e-3, max_norm=1.0)
    with monkeypatch.context() as patch:
        patch.setattr(LoopArguments, "prepare", note)
        net.fit(given * 2, epochs=2, optimizer=optimizer, **QUIET)
    assert [len(each.inputs) for each in made] == [8, 4, 8, 8, 4, 8, 8, 4, 8, 8, 4, 8]
    for part in given * 4:
        twin.partial_fit(part[0], part[1], sample_weight=None if len(part) == 2 else part[2], optimizer=optimizer)
    assert same_bits(net.parameters, twin.parameters)


def exploding(part):
    """Five batches, of which the targets of one overflow every square."""
    found = [(np.ones((8, 5)), np.ones((8, 3))) for _ in range(5)]
    found[part] = (np.ones((8, 5)), np.full((8, 3), 1e30))
    return found


def test_a_divergence_within_an_epoch():
    """The parameters are those after the last sound step; the steps are counted over the parts."""
    net, twin = build(), build()
    with pytest.raises(DivergenceError, match=r"epoch 1, after 3 steps of this fit.*keeps its last finite parameters"):
        net.fit(exploding(3), **OPTIONS)
    twin.fit(exploding(3)[:3], **OPTIONS | {"epochs": 1})
    assert same_bits(net.parameters, twin.parameters)
    with pytest.raises(DivergenceError, match="epoch 1, after 0 steps of this fit"):
        net.fit(exploding(0), **OPTIONS)


def test_the_last_update_of_an_epoch_is_looked_at():
    """Its loss is finite, the parameters after it are not; the epoch before is what there is, in the history too."""
    net, twin, far = build(), build(), [(x, y + 100) for x, y in batches()]
    options = OPTIONS | {"optimizer": SGD(lambda step, steps: 3e38 if step == 9 else 1e-4)}
    with pytest.raises(DivergenceError, match=r"epoch 2, after 10 steps .*is set back to the epoch before") as caught:
        net.fit(far, **options)
    twin.fit(far, **OPTIONS | {"optimizer": SGD(1e-4), "epochs": 1})
    assert same_bits(net.parameters, twin.parameters)
    assert len(caught.value.history.epochs) == net.epochs_trained == 1


def test_data_that_end_too_soon():
    net = build()
    with pytest.raises(ValueError, match="the data ended in epoch 2 after 1 of 3 steps"):
        net.fit(iter(batches((10, 10, 10, 10))), **OPTIONS, steps_per_epoch=3)
    assert (net.steps, net.epochs_trained) == (4, 1)


def test_a_callback_may_stop_between_two_parts():
    class Stops(Callback):
        def on_call_end(self, fit):
            if fit.rows_done == 16:
                fit.stop("enough")

    net = build()
    history = net.fit(batches(), callbacks=[Stops()], **OPTIONS)
    assert (history.stop_reason, history.epochs, net.steps) == ("enough", [], 2)


def test_classes_in_batches():
    net = Network([5, 4, 3], loss="cross_entropy", seed=0)
    labels = np.arange(40) % 3
    history = net.fit([(X[:20], labels[:20]), (X[20:], labels[20:])], class_weight={0: 2.0}, epochs=2, **QUIET)
    assert len(history["loss"]) == 2
