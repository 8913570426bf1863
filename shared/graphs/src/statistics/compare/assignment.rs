//! Minimum-cost assignment.

/// The cheapest one-to-one assignment of n rows to n columns by shortest augmenting paths (Jonker and Volgenant 1987; Crouse 2016):
/// the column of each row. `costs` is row by row and finite.
///
/// Among columns at the same distance the first free one is taken, else the one with the lowest index, so equal costs give equal
/// results; which of several cheapest assignments it is has no meaning beyond that. O(n³) time at worst.
///
/// # Panics
/// If there are not n² costs.
///
/// ```
/// use er_graphs::statistics::compare::assignment;
///
/// assert_eq!(assignment(&[4.0, 1.0, 3.0, 2.0, 0.0, 5.0, 3.0, 2.0, 2.0], 3), [1, 0, 2]);
/// ```
#[must_use]
pub fn assignment(costs: &[f64], n: usize) -> Vec<usize> {
    assert_eq!(costs.len(), n * n, "costs of {n} rows and columns");
    let mut matching = Matching::reduced(costs, n);
    let mut search = Search::new(n);
    for row in 0..n {
        if matching.column_of[row].is_none() {
            search.augment(costs, row, &mut matching);
        }
    }
    matching.column_of.into_iter().flatten().collect()
}

/// A partial assignment and prices of rows and columns: cost − row price − column price is never negative, and 0 where assigned.
struct Matching {
    column_of: Vec<Option<usize>>,
    row_of: Vec<Option<usize>>,
    row_prices: Vec<f64>,
    column_prices: Vec<f64>,
}

impl Matching {
    /// Prices by subtracting the least cost of each column, then of each row, and what rows can have at that price.
    fn reduced(costs: &[f64], n: usize) -> Self {
        let mut column_prices = vec![f64::INFINITY; n];
        for row in costs.chunks_exact(n.max(1)) {
            column_prices.iter_mut().zip(row).for_each(|(price, cost)| *price = price.min(*cost));
        }
        let (mut column_of, mut row_of, mut row_prices) = (vec![None; n], vec![None; n], Vec::with_capacity(n));
        for (i, row) in costs.chunks_exact(n.max(1)).enumerate() {
            let price = row.iter().zip(&column_prices).map(|(cost, price)| cost - price).fold(f64::INFINITY, f64::min);
            row_prices.push(price);
            let cheapest = |j: &usize| row_of[*j].is_none() && row[*j] - column_prices[*j] <= price;
            if let Some(j) = (0..n).find(cheapest) {
                column_of[i] = Some(j);
                row_of[j] = Some(i);
            }
        }
        Self { column_of, row_of, row_prices, column_prices }
    }
}

/// Shortest paths from one row, with memory that is used again for the next.
struct Search {
    distance: Vec<f64>,
    /// The row from which each column is reached.
    from: Vec<usize>,
    /// Columns not yet settled, in no order.
    open: Vec<usize>,
    settled: Vec<usize>,
}

impl Search {
    fn new(n: usize) -> Self {
        Self { distance: vec![0.0; n], from: vec![0; n], open: Vec::with_capacity(n), settled: Vec::with_capacity(n) }
    }

    /// Assigns one more row: along the shortest path to a free column, every row takes the column of the next.
    fn augment(&mut self, costs: &[f64], first: usize, matching: &mut Matching) {
        let n = self.distance.len();
        self.distance.fill(f64::INFINITY);
        self.settled.clear();
        self.open.clear();
        self.open.extend(0..n);
        let (mut row, mut reached) = (first, 0.0);
        let end = loop {
            let (place, column) = self.nearest(&costs[row * n..][..n], row, reached, matching);
            reached = self.distance[column];
            self.open.swap_remove(place);
            match matching.row_of[column] {
                Some(next) => {
                    self.settled.push(column);
                    row = next;
                }
                None => break column,
            }
        };
        matching.row_prices[first] += reached;
        for &column in &self.settled {
            let less = reached - self.distance[column];
            matching.column_prices[column] -= less;
            if let Some(row) = matching.row_of[column] {
                matching.row_prices[row] += less;
            }
        }
        let mut column = end;
        loop {
            let row = self.from[column];
            matching.row_of[column] = Some(row);
            let before = matching.column_of[row].replace(column);
            match before {
                Some(before) if row != first => column = before,
                _ => break,
            }
        }
    }

    /// Shortens distances through a row that was reached, and returns the nearest open column with its place in the list.
    fn nearest(&mut self, costs: &[f64], row: usize, reached: f64, matching: &Matching) -> (usize, usize) {
        let base = reached - matching.row_prices[row];
        let mut best = (f64::INFINITY, true, usize::MAX, 0);
        for (place, &column) in self.open.iter().enumerate() {
            let through = base + costs[column] - matching.column_prices[column];
            if through < self.distance[column] {
                self.distance[column] = through;
                self.from[column] = row;
            }
            let distance = self.distance[column];
            if distance <= best.0 {
                let this = (distance, matching.row_of[column].is_some(), column, place);
                if distance < best.0 || (this.1, this.2) < (best.1, best.2) {
                    best = this;
                }
            }
        }
        (best.3, best.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(costs: &[f64], n: usize, columns: &[usize]) -> f64 {
        columns.iter().enumerate().map(|(i, j)| costs[i * n + j]).sum()
    }

    /// Least total over all permutations.
    fn by_trying(costs: &[f64], n: usize, row: usize, used: u32) -> f64 {
        let free = (0..n).filter(|j| used >> j & 1 == 0);
        let rest = free.map(|j| costs[row * n + j] + by_trying(costs, n, row + 1, used | 1 << j));
        if row == n { 0.0 } else { rest.fold(f64::INFINITY, f64::min) }
    }

    fn is_permutation(columns: &[usize], n: usize) -> bool {
        let mut sorted = columns.to_vec();
        sorted.sort_unstable();
        sorted == (0..n).collect::<Vec<_>>()
    }

    proptest! {
        #[test]
        fn no_permutation_is_cheaper(n in 0..7_usize, levels in 2..50_u32, seed: [u32; 36]) {
            // Few levels make many ties.
            let costs: Vec<f64> = seed[..n * n].iter().map(|s| f64::from(s % levels) - 3.0).collect();
            let columns = assignment(&costs, n);
            prop_assert!(is_permutation(&columns, n));
            prop_assert!((total(&costs, n, &columns) - by_trying(&costs, n, 0, 0)).abs() < 1e-12);
        }

        /// Costs built around a hidden assignment and prices, so that the least total is known.
        #[test]
        fn hidden_assignments_are_found(n in 1..60_usize, step in 1..60_usize, seed: u64) {
            let mut state = seed;
            let mut draw = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 40) as f64 / f64::from(1 << 24)
            };
            let hidden = |i: usize| (i + step) % n;
            let (rows, columns): (Vec<f64>, Vec<f64>) = (0..n).map(|_| (draw(), draw())).unzip();
            let mut costs = Vec::new();
            for (i, row) in rows.iter().enumerate() {
                costs.extend((0..n).map(|j| row + columns[j] + if j == hidden(i) { 0.0 } else { 0.01 + draw() }));
            }
            let found = assignment(&costs, n);
            prop_assert_eq!(found, (0..n).map(hidden).collect::<Vec<_>>());
        }
    }

    #[test]
    fn ties_take_the_lowest_index() {
        for n in [1, 2, 5] {
            assert_eq!(assignment(&vec![0.25; n * n], n), (0..n).collect::<Vec<_>>());
        }
    }
}
