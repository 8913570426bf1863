//! What nodes compute, in operations of dfdx: with a tape they leave behind how gradients flow back.

use dfdx::prelude::*;

use super::windows::Index;
use super::{Images, Matrices, Pair, Processor, Try, Vector, scalar};

/// ε of batch normalisations.
const EPSILON: f64 = 1e-5;

/// Adds a pixel of this value after the last one.
fn bordered<E: Dtype, D: Processor<E>, T: Tape<E, D> + Merge<NoneTape>>(
    x: Images<E, D, T>,
    value: f64,
) -> Try<Images<E, D, T>, D> {
    let (channels, _, samples) = *x.shape();
    let border = x.device().try_zeros_like(&(channels, 1, samples))?.try_add(scalar::<E>(value))?;
    (x, border).try_concat_along(Axis::<1>)
}

/// Columns that a convolution multiplies with its filters: `(C, pixels, N)` to `(C, K·K·positions, N)`.
pub(super) fn columns<E, D, T>(x: Images<E, D, T>, index: &Index<D>, padding: usize) -> Try<Images<E, D, T>, D>
where
    E: Dtype,
    D: Processor<E>,
    T: Tape<E, D> + Merge<NoneTape>,
{
    index.read(if padding == 0 { x } else { bordered(x, 0.0)? })
}

/// Filters `(G, O/G, fan_in)` times columns `(C, …, N)`, where each group of channels has `fan_in` columns for every position of
/// the window: `(O, positions, N)`. A linear layer has one position.
pub(super) fn filtered<E, D, T, U>(weights: Matrices<E, D, T>, columns: Images<E, D, U>) -> Try<Images<E, D, T>, D>
where
    E: Dtype,
    D: Processor<E>,
    T: Tape<E, D> + Merge<U>,
    U: Tape<E, D>,
{
    let ((groups, rows, fan_in), (channels, per_channel, samples)) = (*weights.shape(), *columns.shape());
    let positions = channels * per_channel / (groups * fan_in);
    let columns = columns.try_reshape_like(&(groups, fan_in, positions * samples))?;
    weights.try_matmul(columns)?.try_reshape_like(&(groups * rows, positions, samples))
}

/// One value a channel for every pixel and sample. Sums over both, which going back needs, are taken in two stages: dfdx adds one
/// value after the other, and single precision would lose digits.
fn spread<E, D, T>(by: Vector<E, D, T>, like: (usize, usize, usize)) -> Try<Images<E, D, T>, D>
where
    E: Dtype,
    D: Processor<E>,
    T: Tape<E, D>,
{
    let (channels, pixels, _) = like;
    let by_pixel = by.try_broadcast_like::<_, Axis<1>>(&(channels, pixels))?.try_contiguous()?;
    by_pixel.try_broadcast_like::<_, Axis<2>>(&like)
}

/// Mean of each channel, in two stages as well.
fn mean<E: Dtype, D: Processor<E>, T: Tape<E, D>>(x: Images<E, D, T>) -> Try<Vector<E, D, T>, D> {
    x.try_mean::<_, Axis<2>>()?.try_mean::<_, Axis<1>>()
}

/// Adds a value to each channel.
pub(super) fn shifted<E, D, T>(x: Images<E, D, T>, by: Vector<E, D, T>) -> Try<Images<E, D, T>, D>
where
    E: Dtype,
    D: Processor<E>,
    T: Tape<E, D> + Merge<T>,
{
    let shape = *x.shape();
    x.try_add(spread(by, shape)?)
}

/// Multiplies each channel with a value.
fn scaled<E, D, T>(x: Images<E, D, T>, by: Vector<E, D, T>) -> Try<Images<E, D, T>, D>
where
    E: Dtype,
    D: Processor<E>,
    T: Tape<E, D> + Merge<T>,
{
    let shape = *x.shape();
    x.try_mul(spread(by, shape)?)
}

/// What a normalisation gives: images, and mean and variance of what came in.
type Normalised<E, D, T> = (Images<E, D, T>, Pair<E, D>);

/// Batch normalisation with the moments that are given, else those of the batch, which it returns: mean and (biased) variance.
pub(super) fn normalised<E, D, T>(
    x: Images<E, D, T>,
    moments: Option<Pair<E, D>>,
    affine: Option<Pair<E, D, T>>,
) -> Try<Normalised<E, D, T>, D>
where
    E: Dtype,
    D: Processor<E>,
    T: Tape<E, D> + Merge<T>,
{
    let (given_mean, given_variance) = moments.map(|[mean, variance]| (mean, variance)).unzip();
    let centre = match given_mean {
        Some(mean) => mean.retaped::<T>(),
        None => mean(x.retaped::<T>())?,
    };
    let batch_mean = centre.retaped::<NoneTape>();
    let centred = shifted(x, centre.try_negate()?)?;
    let variance = match given_variance {
        Some(variance) => variance.retaped::<T>(),
        None => mean(centred.retaped::<T>().try_square()?)?,
    };
    let batch_variance = variance.retaped::<NoneTape>();
    let inverse = variance.try_add(scalar::<E>(EPSILON))?.try_sqrt()?.try_recip()?;
    let y = match affine {
        Some([scale, shift]) => shifted(scaled(centred, inverse.try_mul(scale)?)?, shift)?,
        None => scaled(centred, inverse)?,
    };
    Ok((y, [batch_mean, batch_variance]))
}

/// max(x, 0). dfdx's own makes 0 of NaN, which would hide that a network diverged.
pub(super) fn rectified<E, D, T>(x: Images<E, D, T>) -> Try<Images<E, D, T>, D>
where
    E: Dtype,
    D: Processor<E>,
    T: Tape<E, D> + Merge<T>,
{
    let negative = x.try_le(E::default())?;
    let zeros: Images<E, D> = x.device().try_zeros_like(x.shape())?;
    negative.try_choose(zeros.retaped::<T>(), x)
}

/// Largest value of each window, given one index for each of its places. The first of equals alone has a gradient, as in PyTorch;
/// dfdx's reductions give it to all of them.
pub(super) fn largest<E, D, T>(x: Images<E, D, T>, places: &[Index<D>], padding: usize) -> Try<Images<E, D, T>, D>
where
    E: Dtype,
    D: Processor<E>,
    T: Tape<E, D> + Merge<T> + Merge<NoneTape>,
{
    let x = if padding == 0 { x } else { bordered(x, f64::NEG_INFINITY)? };
    let (first, others) = places.split_first().unwrap_or_else(|| unreachable!("a window has a place"));
    let mut most = first.read(x.retaped::<T>())?;
    for place in others {
        let value = place.read(x.retaped::<T>())?;
        most = most.try_lt(&value)?.try_choose(value, most)?;
    }
    // What led to the values comes last, so that it is gone back through first.
    let (most, mut tape) = most.split_tape();
    tape = tape.merge(x.split_tape().1);
    Ok(most.put_tape(tape))
}

/// Mean of each window of so many pixels.
pub(super) fn averaged<E, D, T>(x: Images<E, D, T>, index: &Index<D>, size: usize) -> Try<Images<E, D, T>, D>
where
    E: Dtype,
    D: Processor<E>,
    T: Tape<E, D>,
{
    let (channels, _, samples) = *x.shape();
    let positions = index.len() / size;
    let windows = index.read(x)?.try_reshape_like(&(channels, size, positions * samples))?;
    windows.try_mean::<_, Axis<1>>()?.try_reshape_like(&(channels, positions, samples))
}

/// Mean of each channel.
pub(super) fn averaged_whole<E: Dtype, D: Processor<E>, T: Tape<E, D>>(x: Images<E, D, T>) -> Try<Images<E, D, T>, D> {
    let (channels, _, samples) = *x.shape();
    x.try_mean::<_, Axis<1>>()?.try_reshape_like(&(channels, 1, samples))
}
