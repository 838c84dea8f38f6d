"""(五) 裁剪梯度: keep one bad step from undoing all the good ones."""
from mxnet import nd

from ._checks import check_clipping, check_norm


def grad_clipping(params, theta, ctx):
    """裁剪梯度：把所有梯度一起缩小，使总的范数不超过 θ（6.4.5 节）。

    Scale all gradients together so that their norm is at most θ (section 6.4.5).

    >>> import mxnet as mx
    >>> w = nd.array([0.0, 0.0]); w.attach_grad(); w.grad[:] = nd.array([3, 4])     # norm 5
    >>> grad_clipping([w], 1, mx.cpu())
    >>> w.grad.astype('float64').asnumpy().round(4).tolist()
    [0.6, 0.8]

    With g the gradients of all parameters, laid end to end as one vector:  g ← min(θ / ‖g‖, 1) · g.
    The gradients change in place; their direction stays.

    Parameters
    ----------
    params : list of NDArrays
        The parameters, with gradients from `backward()`.
    theta : float or None
        θ, the largest norm allowed, above zero; None leaves the gradients as they are.
    ctx : mxnet.Context
        The device; in the book's list of arguments, and not needed, because each gradient knows its own.

    Raises
    ------
    TypeError, ValueError
        θ is not above zero, or a parameter has no gradient.
    FloatingPointError
        The norm is infinite or not a number, so that no factor can mend the gradients.
    """
    check_clipping(params, theta)
    if theta is None:
        return
    # ‖g‖. `nd.square`, because `grad ** 2` calls a slow general power function.
    norm = sum(nd.square(param.grad).sum() for param in params).sqrt().asscalar()
    check_norm(norm)
    if norm > theta:
        for param in params:
            param.grad[:] *= theta / norm
