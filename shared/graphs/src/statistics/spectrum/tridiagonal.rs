//! Singular values of a bidiagonal matrix.

/// An upper bidiagonal matrix B, entries in the order α₁, β₂, α₂, β₃, α₃, …: all positive, except that the last α may be 0.
///
/// Golub and Kahan's symmetric tridiagonal matrix, with zeros on its diagonal and these entries beside it, has the eigenvalues
/// ±σ(B). Bisection on it finds every singular value with high relative accuracy (Demmel and Kahan 1990).
#[derive(Debug, Clone, Default)]
pub(super) struct Bidiagonal {
    entries: Vec<f64>,
}

impl Bidiagonal {
    /// Adds the next entry.
    pub(super) fn push(&mut self, entry: f64) {
        self.entries.push(entry);
    }

    /// The k-th largest singular value, counted from 1; 0 if there are fewer. O(order) a bit of the result.
    pub(super) fn singular_value(&self, k: usize) -> f64 {
        // Gershgorin: no eigenvalue is beyond the largest sum of two neighbouring entries.
        let sums = self.entries.windows(2).map(|w| w[0] + w[1]);
        let mut high = sums.chain(self.entries.first().copied()).fold(0.0, f64::max);
        // What is this small is rounding.
        let mut low = high * 1e-20;
        if self.above(low) < k {
            return 0.0;
        }
        loop {
            let middle = f64::midpoint(low, high);
            if middle <= low || middle >= high {
                return high;
            }
            if self.above(middle) >= k {
                low = middle;
            } else {
                high = middle;
            }
        }
    }

    /// How many singular values exceed x > 0: so many pivots of the eliminated matrix minus x are positive (Sylvester).
    fn above(&self, x: f64) -> usize {
        let mut count = 0;
        let mut pivot = -x;
        for c in &self.entries {
            pivot = next_pivot(x, *c, pivot);
            count += usize::from(pivot > 0.0);
        }
        count
    }

    /// Size of the last entry of the left singular vector that belongs to the singular value σ. O(order).
    ///
    /// Elimination from the top gives the entries above some row as multiples of the one in it, elimination from the bottom those
    /// below. In the row where both leave the smallest pivot, the eigenvector is large, and nothing is lost in rounding (Fernando 1997).
    pub(super) fn last_entry(&self, sigma: f64) -> f64 {
        if sigma <= 0.0 {
            return 1.0;
        }
        let c = &self.entries;
        let pivots = |entries: &mut dyn Iterator<Item = &f64>| {
            let steps = entries.scan(-sigma, |pivot, c| {
                *pivot = next_pivot(sigma, *c, *pivot);
                Some(*pivot)
            });
            std::iter::once(-sigma).chain(steps).collect::<Vec<f64>>()
        };
        let from_top = pivots(&mut c.iter());
        let mut from_bottom = pivots(&mut c.iter().rev());
        from_bottom.reverse();
        let left: Vec<f64> = from_top.iter().zip(&from_bottom).map(|(a, b)| (a + b + sigma).abs()).collect();
        let row = (0..left.len()).fold(0, |best, row| if left[row] < left[best] { row } else { best });
        let (mut squares, mut entry) = (1.0, 1.0_f64);
        for above in (0..row).rev() {
            entry *= c[above] / from_top[above];
            squares += entry * entry;
        }
        entry = 1.0;
        for below in row + 1..left.len() {
            entry *= c[below - 1] / from_bottom[below];
            squares += entry * entry;
        }
        // The eigenvector holds the left and the right singular vector, each with half of the squares.
        (entry.abs() * (2.0 / squares).sqrt()).min(1.0)
    }
}

/// Never 0: what is added instead is in the last digit of x.
fn next_pivot(x: f64, c: f64, pivot: f64) -> f64 {
    let (next, least) = (-x - c * c / pivot, f64::EPSILON * x);
    if next.abs() < least { -least } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bidiagonal(entries: &[f64]) -> Bidiagonal {
        Bidiagonal { entries: entries.to_vec() }
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 4.0 * f64::EPSILON * b.abs(), "{a} {b}");
    }

    /// Singular values of ((a, b), (0, c)) from its trace and determinant.
    #[test]
    fn two_rows_agree_with_the_formula() {
        for (a, b, c) in [(3.0, 4.0, 5.0), (1.0, 1.0, 1.0), (2.0, 1e-8, 1e-3), (1e-3, 7.0, 1.0_f64)] {
            let (sum, product) = ((a * a + b * b + c * c) / 2.0, a * c);
            let large = (sum + ((sum - product) * (sum + product)).sqrt()).sqrt();
            let b = bidiagonal(&[a, b, c]);
            close(b.singular_value(1), large);
            close(b.singular_value(2), product / large);
            assert_eq!(b.singular_value(3).to_bits(), 0);
        }
    }

    /// Ones on both diagonals: σ = 2 cos(kπ / (2n + 1)), left singular vectors sin(…).
    #[test]
    fn ones_have_known_values_and_vectors() {
        for n in [1, 2, 5, 40] {
            let b = bidiagonal(&vec![1.0; 2 * n - 1]);
            for k in 1..=n {
                let angle = k as f64 * std::f64::consts::PI / (2 * n + 1) as f64;
                assert!((b.singular_value(k) - 2.0 * angle.cos()).abs() < 1e-14, "{n} {k}");
                // Eigenvector of the path with 2n nodes: entries sin(i · angle), squares sum to (2n + 1)/2.
                let last = (2.0 * n as f64 * angle).sin().abs() * (4.0 / (2 * n + 1) as f64).sqrt();
                assert!((b.last_entry(b.singular_value(k)) - last).abs() < 1e-9, "{n} {k}");
            }
        }
    }

    /// A large value in the first row hardly reaches the last: there the vector falls by about 1/100 an entry.
    #[test]
    fn small_entries_are_found() {
        let n = 20;
        let mut entries = vec![1.0; 2 * n - 1];
        entries[0] = 100.0;
        let b = bidiagonal(&entries);
        let (sigma, mut ratio) = (b.singular_value(1), 0.0);
        // x_i / x_(i−1) = 1 / (σ − x_(i+1) / x_i), from the bottom.
        let mut last = 1.0;
        for _ in 0..2 * n - 2 {
            ratio = 1.0 / (sigma - ratio);
            last *= ratio;
        }
        let expected = last / (1.0 + ratio * ratio).sqrt();
        let found = b.last_entry(sigma);
        assert!((found / expected - 1.0).abs() < 1e-3 && found < 1e-70, "{found} {expected}");
    }

    #[test]
    fn a_last_zero_makes_the_matrix_singular() {
        let b = bidiagonal(&[3.0, 4.0, 0.0]);
        close(b.singular_value(1), 5.0);
        assert_eq!(b.singular_value(2).to_bits(), 0);
        assert_eq!(bidiagonal(&[2.0]).singular_value(1).to_bits(), 2.0_f64.to_bits());
        assert_eq!(bidiagonal(&[]).singular_value(1).to_bits(), 0);
    }
}
