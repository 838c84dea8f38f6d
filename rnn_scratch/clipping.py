"""(五) 裁剪梯度: keep one bad step from undoing all the good ones."""
import math

from mxnet import nd


def grad_clipping(params, theta, ctx):
    """Scale all gradients together so that their norm is at most θ (section 6.4.5).

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
    ValueError
        θ is not above zero.
    FloatingPointError
        The norm is infinite or not a number, so that no factor can mend the gradients.

    Examples
    --------
    >>> import mxnet as mx
    >>> w = nd.array([0.0, 0.0]); w.attach_grad(); w.grad[:] = nd.array([3, 4])     # norm 5
    >>> grad_clipping([w], 1, mx.cpu())
    >>> w.grad.astype('float64').asnumpy().round(4).tolist()
    [0.6, 0.8]
    """
    check_theta(theta)
    if theta is None:
        return
    # nd.square, because `grad ** 2` calls a slow general power function
    norm = sum(nd.square(param.grad).sum() for param in params).sqrt().asscalar()       # ‖g‖
    scale_gradients(params, theta, norm)


def check_theta(theta):
    """θ is a norm above zero, or None."""
    if theta is not None and not theta > 0:
        raise ValueError(f'theta, the largest norm of the gradient, must be above zero, or None, not {theta!r}.')


def scale_gradients(params, theta, norm):
    """g ← min(θ / ‖g‖, 1) · g, or an error where ‖g‖ is no number."""
    if not math.isfinite(norm):
        raise FloatingPointError(f'The norm of the gradient is {norm}: the parameters have grown beyond all bounds; '
                                 'start again with a smaller learning rate (lr) or a smaller clipping_theta.')
    if norm > theta:
        for param in params:
            grad = param.grad
            grad *= theta / norm
