"""(五) 裁剪梯度: keep one bad step from undoing all the good ones."""
from mxnet import nd

from . import _checks


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
    TypeError, ValueError, FloatingPointError
        θ is not above 0; a parameter has no gradient; or the norm is no finite number, which no factor can mend.
    """
    _checks.theta(theta=theta)
    if theta is None:
        return
    _checks.gradients(params)
    # ‖g‖. `nd.square`, because `grad ** 2` calls a slow general power function.
    norm = sum(nd.square(param.grad).sum() for param in params).sqrt().asscalar()
    _checks.finite('The norm of the gradient', norm)
    if norm > theta:
        for param in params:
            param.grad[:] *= theta / norm
