//! Batch normalisation as two affine maps: one that readers of a tensor apply on the way, one that its gradient goes back through.

use super::tensor::{Pixel, Shared};
use crate::simd::LANES;
use er_networks::model::NORM_EPSILON;

/// Weight of the newest batch in running statistics.
const MOMENTUM: f64 = 0.1;

/// Count, mean and sum of squared deviations of some values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) count: f64,
    pub(super) mean: f64,
    pub(super) squares: f64,
}

impl Moments {
    /// Adds other values' (Chan, Golub & LeVeque 1983): no cancellation.
    pub(super) fn merge(&mut self, other: Self) {
        if other.count == 0.0 {
            return;
        }
        let delta = other.mean - self.mean;
        let all = self.count + other.count;
        self.mean += delta * other.count / all;
        self.squares += other.squares + delta * delta * self.count * other.count / all;
        self.count = all;
    }

    /// Of `count` values a lane, summed lane by lane after adding minus a pivot; lanes without a sample do not count.
    pub(super) fn of_lanes(count: usize, [minus_pivot, sums, squares]: [&Pixel; 3], valid: &Pixel) -> Self {
        let mut all = Self::default();
        let n = count as f64;
        for lane in (0..LANES).filter(|&l| valid.0[l] != 0.0) {
            let [minus_pivot, sum, squares] = [minus_pivot, sums, squares].map(|p| f64::from(p.0[lane]));
            let squares = squares - sum * sum / n;
            let squares = if squares < 0.0 { 0.0 } else { squares };
            all.merge(Self { count: n, mean: sum / n - minus_pivot, squares });
        }
        all
    }
}

/// Sum of the lanes in float64.
pub(super) fn lane_sum(pixel: &Pixel) -> f64 {
    pixel.0.iter().map(|&v| f64::from(v)).sum()
}

/// A table with one value per part of a batch and channel, which threads fill and which is summed in the order of the parts.
#[derive(Debug, Clone, Default)]
pub(super) struct Table<T> {
    channels: usize,
    values: Vec<T>,
}

impl<T: Copy + Default> Table<T> {
    pub(super) fn new(channels: usize) -> Self {
        Self { channels, values: Vec::new() }
    }

    /// Room for some parts, all default.
    pub(super) fn reset(&mut self, parts: usize) {
        self.values.clear();
        self.values.resize(parts * self.channels, T::default());
    }

    pub(super) fn shared(&mut self) -> Shared<T> {
        Shared::new(&mut self.values)
    }

    /// The values of a channel, part by part.
    fn of(&self, channel: usize) -> impl Iterator<Item = &T> {
        self.values[channel..].iter().step_by(self.channels)
    }
}

/// Trained and running values of a normalisation; the trained ones are absent without affine map.
pub(super) struct NormValues<'a> {
    pub(super) gamma: Option<&'a [f32]>,
    pub(super) beta: Option<&'a [f32]>,
    pub(super) running_mean: &'a [f32],
    pub(super) running_variance: &'a [f32],
}

/// One normalisation: its batch's statistics and the affine maps they give, per channel.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    /// Moments of the tensor, by part.
    pub(super) parts: Table<Moments>,
    /// (Σ dz, Σ dz·x̂), by part, where dz is the gradient of the result as read without and with a ReLU behind it.
    pub(super) sums: [Table<[f64; 2]>; 2],
    /// Both sums over all parts, and both ways if they are finished.
    totals: Vec<[f64; 2]>,
    /// Mean and unbiased variance of the batch.
    pub(super) moments: Vec<(f64, f64)>,
    /// x̂ = inverse·x + offset.
    pub(super) inverse: Vec<f32>,
    pub(super) offset: Vec<f32>,
    /// Result = scale·x + shift.
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
    /// Gradient of x = scale·dz + slope·x + constant, for the dz of either way to read the result.
    pub(super) slope: [Vec<f32>; 2],
    pub(super) constant: [Vec<f32>; 2],
    mean: Vec<f64>,
    values: f64,
}

impl Norm {
    pub(super) fn new(channels: usize) -> Self {
        let zeros = vec![0.0; channels];
        Self {
            parts: Table::new(channels),
            sums: [Table::new(channels), Table::new(channels)],
            totals: vec![[0.0; 2]; channels],
            moments: vec![(0.0, 0.0); channels],
            inverse: zeros.clone(),
            offset: zeros.clone(),
            scale: zeros.clone(),
            shift: zeros.clone(),
            slope: [zeros.clone(), zeros.clone()],
            constant: [zeros.clone(), zeros],
            mean: vec![0.0; channels],
            values: 0.0,
        }
    }

    /// Takes the statistics of the batch from the parts.
    pub(super) fn use_batch(&mut self, values: &NormValues) {
        for c in 0..self.scale.len() {
            let mut all = Moments::default();
            self.parts.of(c).for_each(|part| all.merge(*part));
            self.set(c, all.mean, all.squares / all.count, values);
            self.moments[c] = (all.mean, all.squares / (all.count - 1.0).max(1.0));
            self.values = all.count;
        }
    }

    /// Takes the running statistics.
    pub(super) fn use_running(&mut self, values: &NormValues) {
        for c in 0..self.scale.len() {
            self.set(c, f64::from(values.running_mean[c]), f64::from(values.running_variance[c]), values);
        }
    }

    fn set(&mut self, c: usize, mean: f64, variance: f64, values: &NormValues) {
        let inverse = 1.0 / (variance + NORM_EPSILON).sqrt();
        let scale = values.gamma.map_or(1.0, |g| f64::from(g[c])) * inverse;
        self.mean[c] = mean;
        self.inverse[c] = inverse as f32;
        self.offset[c] = (-mean * inverse) as f32;
        self.scale[c] = scale as f32;
        self.shift[c] = (values.beta.map_or(0.0, |b| f64::from(b[c])) - mean * scale) as f32;
    }

    /// A backward pass begins.
    pub(super) fn begin_sums(&mut self) {
        self.totals.fill([0.0; 2]);
    }

    /// Adds up the parts of one of the two ways to read the result, and derives its map of gradients: with m = Σdz/n and
    /// h = Σdz·x̂/n, dx = scale·(dz − m − h·x̂). Writes the gradients of scale and shift, Σdz·x̂ and Σdz of both ways, if asked to.
    pub(super) fn add_sums(&mut self, relu: bool, mut gradients: Option<[&mut [f32]; 2]>) {
        let way = usize::from(relu);
        for c in 0..self.scale.len() {
            let [all, hat] = self.sums[way].of(c).fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
            let scale = f64::from(self.scale[c]);
            let slope = -scale * (hat / self.values) * f64::from(self.inverse[c]);
            self.slope[way][c] = slope as f32;
            self.constant[way][c] = (-scale * (all / self.values) - slope * self.mean[c]) as f32;
            let total = &mut self.totals[c];
            *total = [total[0] + all, total[1] + hat];
            if let Some([scale, shift]) = &mut gradients {
                shift[c] = total[0] as f32;
                scale[c] = total[1] as f32;
            }
        }
    }
}

/// Moves running statistics towards those of a batch.
pub(super) fn update_running(mean: &mut [f32], variance: &mut [f32], batch: &[(f64, f64)]) {
    for ((m, v), b) in mean.iter_mut().zip(variance).zip(batch) {
        *m = ((1.0 - MOMENTUM) * f64::from(*m) + MOMENTUM * b.0) as f32;
        *v = ((1.0 - MOMENTUM) * f64::from(*v) + MOMENTUM * b.1) as f32;
    }
}
