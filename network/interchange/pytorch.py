"""To and from PyTorch."""

from typing import Any

from hotloop.network.interchange.layers import layers_of, network_of, warn_of
from hotloop.network.interchange.libraries import library
from hotloop.network.network import Network


def to_torch(net: Network, *, logits: bool = False) -> Any:
    """Return a network as a `torch.nn.Sequential` on the CPU, with copies of its parameters.

    Its outputs are those of `net.predict`, and its gradients, where nothing is dropped, those of `net.gradient`. Its
    layers are PyTorch's own, but for the scaling of the inputs, learnt activations, a learnt input scale, and the
    exponential: to unpickle these takes hotloop, `torch.jit.trace` and `torch.export` do without.

    Parameters
    ----------
    net : Network
    logits : bool, default False
        Whether to leave out the output activation of cross_entropy, binary_cross_entropy and poisson: PyTorch's
        ``CrossEntropyLoss``, ``BCEWithLogitsLoss`` and ``PoissonNLLLoss`` take logits.

    Returns
    -------
    torch.nn.Sequential
        In training mode, of the network's dtype: ``eval()`` turns dropout off.

    Raises
    ------
    ModuleNotFoundError
        Without PyTorch: ``pip install 'hotloop[torch]'``.
    TypeError
        If `net` is not a `Network`.
    ValueError
        If it has an activation of your own, or logits are asked of another loss.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.interchange import to_torch
    >>> net = Network([4, 8, 3], "gelu", loss="cross_entropy", seed=0)
    >>> to_torch(net)
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): GELU(approximate='none')
      (2): Linear(in_features=8, out_features=3, bias=True)
      (3): Softmax(dim=1)
    )
    """
    nn = library("torch", "torch", "PyTorch").nn
    from hotloop.network.interchange.torch_layers import module_of

    return nn.Sequential(*(module_of(layer, net.dtype) for layer in layers_of(net, "PyTorch", logits=logits)))


def to_state_dict(net: Network) -> dict[str, Any]:
    """Return the parameters by their names in ``to_torch(net)``, as tensors of their own.

    Parameters
    ----------
    net : Network

    Returns
    -------
    dict of str to torch.Tensor
        Weights (fan_out, fan_in), as PyTorch has them; with the scaling of the inputs, if there is one.

    Raises
    ------
    ModuleNotFoundError, TypeError, ValueError
        As of `to_torch`.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.interchange import to_state_dict
    >>> {name: tuple(tensor.shape) for name, tensor in to_state_dict(Network([4, 8, 3], seed=0)).items()}
    {'0.weight': (8, 4), '0.bias': (8,), '2.weight': (3, 8), '2.bias': (3,)}
    """
    state: dict[str, Any] = to_torch(net).state_dict()
    return state


def from_torch(
    module: Any, *, loss: Any = None, output: Any = None, dtype: Any = None, optimizer: Any = None, **arguments: Any
) -> Network:
    """Return a network that computes the same as a module of PyTorch, with copies of its parameters.

    The module may be a Sequential, nested or not, or have a `forward` that calls one layer after another, also as
    functions (``F.relu(self.fc1(x))``). Its layers: Linear, LayerNorm before an activation, Dropout, Sigmoid, Tanh,
    ReLU, LeakyReLU, ELU, SELU, GELU, SiLU, Mish, Softplus, Identity, at the end Softmax and exp, and a Flatten or view
    of whole rows. Anything else is refused. The module is not changed, but its `forward` is called twice, to follow it:
    what that changes in place, such as a list or a tensor that counts, stays changed.

    Parameters
    ----------
    module : torch.nn.Module
    loss : str or Loss, optional
        As of `Network`, for training. The default follows the last activation: after Softmax cross_entropy, Sigmoid
        binary_cross_entropy, exp poisson, otherwise mse. A classifier of logits takes ``loss="cross_entropy"``.
    output : str, optional
        Instead of the module's last activation: with ``"softmax"`` a classifier of logits predicts probabilities.
    dtype : {"float32", "float64"}, optional
        By default the module's.
    optimizer : torch.optim.Optimizer, optional
        Of the module's parameters: SGD, RMSprop, Adagrad, Adam, AdamW. `net.optimizer` is then hotloop's with the same
        numbers, moments and steps, and ``net.fit(X, y, optimizer=net.optimizer)`` goes on where PyTorch was. Learning
        rates and decays of groups become factors, a weight_decay that is added to the gradient the network's `l2`.
    **arguments
        Others of `Network`, such as ``seed=0``.

    Returns
    -------
    Network

    Raises
    ------
    ModuleNotFoundError
        Without PyTorch: ``pip install 'hotloop[torch]'``.
    TypeError
        If `module` is no module, or `optimizer` no optimizer.
    ValueError
        If hotloop has no network or optimizer that computes the same; it names the layer and what is wrong.

    Warns
    -----
    InterchangeWarning
        Of what computes the same, but will be trained otherwise: layers without a bias, frozen parameters, a `forward`
        under `torch.no_grad`, schedules.

    Examples
    --------
    >>> import torch
    >>> from hotloop.interchange import from_torch
    >>> module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    >>> from_torch(module, loss="cross_entropy")
    Network([4, 8, 3], activation=['tanh'], output='identity', loss='cross_entropy', dtype='float32')
    """
    library("torch", "torch", "PyTorch")
    from hotloop.network.interchange.torch_chain import chain_of, layers_of_chain, learnt_of
    from hotloop.network.interchange.torch_optimizer import read_optimizer

    steps = chain_of(module)
    layers, learnt = layers_of_chain(steps), learnt_of(steps)
    if optimizer is None:
        for one in learnt:
            if one.tensor is not None and not one.tensor.requires_grad:
                warn_of(one.place, f"its {one.name} is frozen: hotloop trains it, unless learning_rate_factors say 0")
        return network_of(layers, "the module", loss=loss, output=output, dtype=dtype, **arguments)
    state = read_optimizer(optimizer, learnt)
    if state.l2 and arguments.get("l2"):
        raise ValueError(f"l2={arguments['l2']} and the optimizer's weight_decay={2 * state.l2} are two penalties")
    arguments |= {"l2": state.l2} if state.l2 else {}
    net = network_of(layers, "the module", loss=loss, output=output, dtype=dtype, **arguments)
    state.fill(net)
    return net


def to_torch_optimizer(net: Network, module: Any) -> Any:
    """Return the optimizer of a network's last fit for a module of PyTorch, with its moments and steps.

    Parameters
    ----------
    net : Network
        One that was trained: `net.optimizer` is its optimizer.
    module : torch.nn.Module
        ``to_torch(net)``, or any that `from_torch` would make such a network of.

    Returns
    -------
    torch.optim.Optimizer
        Of the module's parameters, in groups where factors or penalties differ.

    Raises
    ------
    ModuleNotFoundError, TypeError
        As of `from_torch`.
    ValueError
        If the network has no optimizer, the module is another, or something is not in an optimizer of PyTorch: `l1`,
        `max_norm`, `clip_value`, `clip_norm`, `l2` beside AdamW.

    Warns
    -----
    InterchangeWarning
        Of schedules, whose last value is taken.

    Examples
    --------
    >>> from hotloop import Adam, Network
    >>> from hotloop.interchange import to_torch, to_torch_optimizer
    >>> net = Network([1, 1], seed=0)
    >>> history = net.fit([[0.0], [1.0]], [1.0, 0.0], optimizer=Adam(0.1), epochs=3)
    >>> module = to_torch(net)
    >>> type(optimizer := to_torch_optimizer(net, module)).__name__, optimizer.param_groups[0]["lr"]
    ('Adam', 0.1)
    >>> int(optimizer.state[module[0].weight]["step"])
    3
    """
    library("torch", "torch", "PyTorch")
    from hotloop.network.interchange.torch_chain import chain_of, learnt_of
    from hotloop.network.interchange.torch_optimizer import make_optimizer

    layers_of(net, "PyTorch")  # checks the type
    return make_optimizer(net, learnt_of(chain_of(module)))
