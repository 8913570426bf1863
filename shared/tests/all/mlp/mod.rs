//! Linear layers with ReLU between them and cross-entropy, with label smoothing, at the end, in float64.

/// Mean loss over the samples, and the gradients of all weights and of the biases. Layer l maps `widths[l]` values to
/// `widths[l + 1]`; its weights lie row by row, and it may have no biases.
pub(crate) fn gradients(
    widths: &[usize],
    weights: &[Vec<f64>],
    biases: &[Vec<f64>],
    x: &[f64],
    y: &[usize],
    smoothing: f64,
) -> (f64, Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let zeros = |of: &[Vec<f64>]| of.iter().map(|values| vec![0.0; values.len()]).collect::<Vec<_>>();
    let (mut of_weights, mut of_biases, mut loss) = (zeros(weights), zeros(biases), 0.0);
    let (layers, share) = (weights.len(), 1.0 / y.len() as f64);
    for (x, &y) in x.chunks(widths[0]).zip(y) {
        let mut values = vec![x.to_vec()];
        for l in 0..layers {
            let input = &values[l];
            let sum = |row: &[f64]| row.iter().zip(input).map(|(w, v)| w * v).sum::<f64>();
            let mut out: Vec<f64> = weights[l].chunks(input.len()).map(sum).collect();
            out.iter_mut().zip(&biases[l]).for_each(|(v, b)| *v += b);
            if l + 1 < layers {
                for v in &mut out {
                    *v = v.max(0.0);
                }
            }
            values.push(out);
        }
        let logits = &values[layers];
        let sum = logits.iter().map(|v| v.exp()).sum::<f64>();
        let mean = logits.iter().sum::<f64>() / logits.len() as f64;
        loss += (sum.ln() - (1.0 - smoothing) * logits[y] - smoothing * mean) * share;
        let target = |c: usize| smoothing / logits.len() as f64 + if c == y { 1.0 - smoothing } else { 0.0 };
        let mut delta: Vec<f64> = logits.iter().enumerate().map(|(c, v)| (v.exp() / sum - target(c)) * share).collect();
        for l in (0..layers).rev() {
            let input = &values[l];
            let n = input.len();
            of_biases[l].iter_mut().zip(&delta).for_each(|(b, d)| *b += d);
            let mut back = vec![0.0; n];
            for (o, d) in delta.iter().enumerate() {
                for i in 0..n {
                    of_weights[l][o * n + i] += d * input[i];
                    back[i] += weights[l][o * n + i] * d;
                }
            }
            delta = back.iter().zip(input).map(|(d, v)| if *v > 0.0 { *d } else { 0.0 }).collect();
        }
    }
    (loss, of_weights, of_biases)
}
