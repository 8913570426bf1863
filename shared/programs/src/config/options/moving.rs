//! Options about edges that move during training.

use clap::Args;
use serde::Serialize;

use crate::config::{Checks, listing, values};
use er_graphs::registry::Selected;
use er_networks::schedule::{Decay, Span, StepSpan};
use er_networks::topology::rule::{DropScore, Falling, GrowRule, GrownValue, Method, Redistribute};

/// How edges move. What is left out is as the method has it.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Moving edges")]
#[serde(rename_all = "kebab-case")]
pub struct MovingOptions {
    /// Which edges are dropped.
    #[arg(long, value_parser = values::parsed::<Selected<dyn DropScore>>, value_name = "NAME",
          help = format!("Which edges are dropped, the least by: {} [default: see show]", listing::all::<dyn DropScore>()))]
    #[serde(serialize_with = "values::display_option")]
    pub death: Option<Selected<dyn DropScore>>,
    /// Which edges grow.
    #[arg(long, value_parser = values::parsed::<Selected<dyn GrowRule>>, value_name = "NAME",
          help = format!("Which edges grow: {} [default: see show]", listing::all::<dyn GrowRule>()))]
    #[serde(serialize_with = "values::display_option")]
    pub growth: Option<Selected<dyn GrowRule>>,
    /// How the edges that grow are divided among the layers.
    #[arg(long, value_parser = values::parsed::<Redistribute>, value_name = "NAME",
          help = format!("How the edges that grow are divided among the layers: {} [default: see show]",
                         listing::choices(Redistribute::CHOICES)))]
    #[serde(serialize_with = "values::display_option")]
    pub redistribution: Option<Redistribute>,
    /// Alpha, the fraction of the edges that is exchanged at first [default: see show]
    #[arg(long, visible_alias = "death-rate", alias = "alpha", value_parser = values::part, value_name = "FRACTION")]
    pub prune_rate: Option<f64>,
    /// Value that this fraction falls to [default: see show]
    #[arg(long, value_parser = values::part, value_name = "FRACTION")]
    pub prune_rate_floor: Option<f64>,
    /// How it falls.
    #[arg(long, value_parser = values::parsed::<Selected<dyn Decay>>, value_name = "NAME",
          help = format!("How it falls: {} [default: see show]", listing::all::<dyn Decay>()))]
    #[serde(serialize_with = "values::display_option")]
    pub decay_schedule: Option<Selected<dyn Decay>>,
    /// Delta T, from one update to the next: steps, epochs (1ep) or a part of the training (0.01) [default: see show]
    #[arg(long, visible_alias = "delta", value_parser = values::some_span::<StepSpan>, value_name = "SPAN")]
    pub update_frequency: Option<StepSpan>,
    /// First step that may be an update; where the density of pruning begins to fall: a step, an epoch (5ep) or a part of the training
    /// (0.1) [default: 0]
    #[arg(long, value_parser = values::parsed::<StepSpan>, value_name = "SPAN")]
    pub t_begin: Option<StepSpan>,
    /// T_end: the first step that may not be an update, where the part of the edges has reached its end; where the density of
    /// pruning ends to fall; given as --t-begin is [default: see show]
    #[arg(long, value_parser = values::some_span::<StepSpan>, value_name = "SPAN")]
    pub t_end: Option<StepSpan>,
    /// T_end as a part of all steps instead; 1: updates until training ends
    #[arg(long, alias = "t-end-percent", value_parser = values::part, value_name = "FRACTION")]
    pub t_end_fraction: Option<f64>,
    /// Batches whose gradients are averaged for an update, including that of the update; fewer than the steps between two updates
    #[arg(long, value_parser = values::count, value_name = "N")]
    pub grad_accumulation_n: Option<usize>,
    /// Whether an update takes the place of the optimiser's step, so that no weights are trained in it [default: see show]
    #[arg(long, value_parser = values::boolean, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub update_replaces_step: Option<bool>,
    /// First value of edges that grow: zeros, random_normal, random_uniform, grad_scale or grad_sign, the last four with an
    /// optional divisor, such as grad_scale_10 [default: zeros]
    #[arg(long, value_parser = values::parsed::<GrownValue>, value_name = "NAME")]
    #[serde(serialize_with = "values::display_option")]
    pub grow_init: Option<GrownValue>,
    /// Whether an edge that is dropped and grown in one update starts afresh instead of keeping its weight
    #[arg(long, value_parser = values::boolean, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub reinit_regrown: Option<bool>,
    /// Whether units that an update leaves without edges are given one, in place of another edge
    #[arg(long, value_parser = values::boolean, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub flow_at_updates: Option<bool>,
}

impl MovingOptions {
    /// Options about edges that are exchanged.
    const EXCHANGING: [&str; 10] = [
        "death",
        "growth",
        "redistribution",
        "prune-rate",
        "prune-rate-floor",
        "decay-schedule",
        "grad-accumulation-n",
        "update-replaces-step",
        "grow-init",
        "reinit-regrown",
    ];

    /// Options about all edges that move.
    const MOVING: [&str; 5] = ["update-frequency", "t-begin", "t-end", "t-end-fraction", "flow-at-updates"];

    /// Names of all these options.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::EXCHANGING.into_iter().chain(Self::MOVING)
    }

    /// Completes the options by the method and the method by the options; those that mean nothing to it are problems. `of` names
    /// the method in messages.
    pub fn complete(&mut self, method: &mut Method, of: &str, checks: &mut Checks) {
        let help = "leave it out, or choose another --method";
        if method.exchange.is_none() {
            for option in Self::EXCHANGING {
                checks.no_effect(option, &format!("with {of}: no edges are exchanged"), help);
            }
        }
        if !method.moves() {
            for option in Self::MOVING {
                checks.no_effect(option, &format!("with {of}: no edges move"), help);
            }
            return;
        }
        method.interval = self.update_frequency.get_or_insert(StepSpan(method.interval)).0;
        method.begin = self.t_begin.get_or_insert(StepSpan(method.begin)).0;
        if method.backward.is_some() {
            checks.no_effect("flow-at-updates", &format!("with {of}: the largest weights are used"), help);
        } else {
            method.keeps_flow = *self.flow_at_updates.get_or_insert(method.keeps_flow);
        }
        match &method.prune {
            // Nothing is left to end when the density has fallen.
            Some(prune) if method.exchange.is_none() && prune.by != Falling::Steps => {
                for option in ["t-end", "t-end-fraction"] {
                    checks.no_effect(
                        option,
                        &format!("with {of}: edges move until the density has fallen"),
                        "see --final-prune-epoch",
                    );
                }
            }
            _ => self.end(method, checks),
        }
        let Some(exchange) = &mut method.exchange else { return };
        exchange.drop.by = *self.death.get_or_insert(exchange.drop.by);
        exchange.grow = *self.growth.get_or_insert(exchange.grow);
        exchange.redistribute = *self.redistribution.get_or_insert(exchange.redistribute);
        exchange.rate = *self.prune_rate.get_or_insert(exchange.rate);
        // A floor above the rate would let the fraction rise.
        exchange.floor = *self.prune_rate_floor.get_or_insert(exchange.floor.min(exchange.rate));
        exchange.decay = *self.decay_schedule.get_or_insert(exchange.decay);
        exchange.value = *self.grow_init.get_or_insert(exchange.value);
        exchange.regrown_keeps = !*self.reinit_regrown.get_or_insert(!exchange.regrown_keeps);
        if !exchange.decay.falls() {
            let why = format!("with --decay-schedule {}", exchange.decay);
            checks.no_effect("prune-rate-floor", &why, "leave it out, or choose another --decay-schedule");
        } else if exchange.floor > exchange.rate {
            let what =
                format!("{}: {} is above the rate {}", checks.given.show("prune-rate-floor"), exchange.floor, exchange.rate);
            checks.problems.add_with_help(what, "the part of the edges falls from --prune-rate to --prune-rate-floor");
        }
        let reads_gradient = exchange.grow.reads_gradient();
        method.replaces_step = *self.update_replaces_step.get_or_insert(method.replaces_step);
        self.accumulation(method, reads_gradient, checks);
    }

    fn end(&mut self, method: &mut Method, checks: &mut Checks) {
        match (self.t_end, self.t_end_fraction) {
            (Some(_), Some(_)) => {
                checks.problems.add(format!("{} and --t-end-fraction say the same: give one", checks.given.show("t-end")));
            }
            (Some(StepSpan(Span::Part(part))), None) | (None, Some(part)) => {
                method.end = (part < 1.0).then_some(Span::Part(part));
            }
            (Some(end), None) => method.end = Some(end.0),
            (None, None) => match method.end {
                None => self.t_end_fraction = Some(1.0),
                Some(Span::Part(part)) => self.t_end_fraction = Some(part),
                Some(end) => self.t_end = Some(StepSpan(end)),
            },
        }
        if let (Some(Span::Steps(end)), Span::Steps(begin)) = (method.end, method.begin)
            && end <= begin
        {
            let what = format!("{}: step {end} is not after --t-begin {begin}", checks.given.show("t-end"));
            checks.problems.add_with_help(what, "updates come from --t-begin on and before --t-end");
        }
    }

    fn accumulation(&mut self, method: &mut Method, reads_gradient: bool, checks: &mut Checks) {
        if !reads_gradient {
            checks.no_effect("grad-accumulation-n", "unless edges grow by gradient", "add --growth gradient, or leave it out");
            return;
        }
        method.accumulate = *self.grad_accumulation_n.get_or_insert(method.accumulate as usize) as u64;
        // One batch is that of the update itself, which is there even if every step is one.
        if let Span::Steps(interval) = method.interval
            && method.accumulate > 1
            && method.accumulate >= interval
        {
            let what = format!(
                "{}: {} batches are not fewer than the {interval} steps between two updates",
                checks.given.show("grad-accumulation-n"),
                method.accumulate,
            );
            checks.problems.add_with_help(what, "lower it, or raise --update-frequency");
        }
    }
}
