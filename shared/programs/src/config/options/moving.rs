//! Options about edges that move during training.

use clap::Args;

use crate::config::{OptionId, Resolver, listing, values};
use crate::{option, options};
use er_graphs::registry::Selected;
use er_networks::schedule::{Decay, Span, StepSpan};
use er_networks::topology::rule::{DropScore, Falling, GrowRule, GrownValue, Method, Redistribute};

/// How edges move. What is left out is as the method has it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Moving edges")]
pub struct MovingOptions {
    /// Which edges are dropped.
    #[arg(long, value_parser = values::parsed::<Selected<dyn DropScore>>, value_name = "NAME",
          help = format!("Which edges are dropped, the least by: {} [default: see show]", listing::all::<dyn DropScore>()))]
    pub death: Option<Selected<dyn DropScore>>,
    /// Which edges grow.
    #[arg(long, value_parser = values::parsed::<Selected<dyn GrowRule>>, value_name = "NAME",
          help = format!("Which edges grow: {} [default: see show]", listing::all::<dyn GrowRule>()))]
    pub growth: Option<Selected<dyn GrowRule>>,
    /// How the edges that grow are divided among the layers.
    #[arg(long, value_parser = values::parsed::<Redistribute>, value_name = "NAME",
          help = format!("How the edges that grow are divided among the layers: {} [default: see show]",
                         listing::choices(Redistribute::CHOICES)))]
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
    fn exchanging(&self) -> [OptionId; 10] {
        options![
            self.death,
            self.growth,
            self.redistribution,
            self.prune_rate,
            self.prune_rate_floor,
            self.decay_schedule,
            self.grad_accumulation_n,
            self.update_replaces_step,
            self.grow_init,
            self.reinit_regrown,
        ]
    }

    /// Options about all edges that move.
    fn moving(&self) -> [OptionId; 5] {
        options![self.update_frequency, self.t_begin, self.t_end, self.t_end_fraction, self.flow_at_updates]
    }

    /// Which options these are.
    pub fn ids(&self) -> impl Iterator<Item = OptionId> + use<> {
        self.exchanging().into_iter().chain(self.moving())
    }

    /// The method as these options change it; those that mean nothing to it are problems. `of` names the method in messages.
    #[must_use]
    pub fn method(&self, mut method: Method, of: &str, resolver: &mut Resolver) -> Method {
        let help = "leave it out, or choose another --method";
        if method.exchange.is_none() {
            for option in self.exchanging() {
                resolver.no_effect(option, &format!("with {of}: no edges are exchanged"), help);
            }
        }
        if !method.moves() {
            for option in self.moving() {
                resolver.no_effect(option, &format!("with {of}: no edges move"), help);
            }
            return method;
        }
        method.interval = resolver.keep_or(option!(self.update_frequency), StepSpan(method.interval)).0;
        method.begin = resolver.keep_or(option!(self.t_begin), StepSpan(method.begin)).0;
        if method.backward.is_some() {
            resolver.no_effect(option!(self.flow_at_updates), &format!("with {of}: the largest weights are used"), help);
        } else {
            method.keeps_flow = resolver.keep_or(option!(self.flow_at_updates), method.keeps_flow);
        }
        match &method.prune {
            // Nothing is left to end when the density has fallen.
            Some(prune) if method.exchange.is_none() && prune.by != Falling::Steps => {
                let why = format!("with {of}: edges move until the density has fallen");
                for option in options![self.t_end, self.t_end_fraction] {
                    resolver.no_effect(option, &why, "see --final-prune-epoch");
                }
            }
            _ => self.end(&mut method, resolver),
        }
        let Some(exchange) = &mut method.exchange else { return method };
        exchange.drop.by = resolver.keep_or(option!(self.death), exchange.drop.by);
        exchange.grow = resolver.keep_or(option!(self.growth), exchange.grow);
        exchange.redistribute = resolver.keep_or(option!(self.redistribution), exchange.redistribute);
        exchange.rate = resolver.keep_or(option!(self.prune_rate), exchange.rate);
        // A floor above the rate would let the fraction rise.
        exchange.floor = resolver.keep_or(option!(self.prune_rate_floor), exchange.floor.min(exchange.rate));
        exchange.decay = resolver.keep_or(option!(self.decay_schedule), exchange.decay);
        exchange.value = resolver.keep_or(option!(self.grow_init), exchange.value);
        exchange.regrown_keeps = !resolver.keep_or(option!(self.reinit_regrown), !exchange.regrown_keeps);
        let floor = option!(self.prune_rate_floor);
        if !exchange.decay.falls() {
            let why = format!("with --decay-schedule {}", exchange.decay);
            resolver.no_effect(floor, &why, "leave it out, or choose another --decay-schedule");
        } else if exchange.floor > exchange.rate {
            let what = format!("{}: {} is above the rate {}", resolver.show(floor), exchange.floor, exchange.rate);
            resolver.problems.add_with_help(what, "the part of the edges falls from --prune-rate to --prune-rate-floor");
        }
        let reads_gradient = exchange.grow.reads_gradient();
        method.replaces_step = resolver.keep_or(option!(self.update_replaces_step), method.replaces_step);
        self.accumulation(&mut method, reads_gradient, resolver);
        method
    }

    fn end(&self, method: &mut Method, resolver: &mut Resolver) {
        let end = resolver.keep(option!(self.t_end)).map(|end| end.0);
        match (end, resolver.keep(option!(self.t_end_fraction))) {
            (Some(_), Some(_)) => {
                let [end, fraction] = [option!(self.t_end).id(), option!(self.t_end_fraction).id()];
                let what = format!("{} and {} say the same: give one", resolver.show(end), resolver.name(fraction));
                resolver.problems.add(what);
            }
            (Some(Span::Part(part)), None) | (None, Some(part)) => {
                method.end = (part < 1.0).then_some(Span::Part(part));
            }
            (Some(end), None) => method.end = Some(end),
            (None, None) => match method.end {
                None => resolver.keep_as(option!(self.t_end_fraction), 1.0),
                Some(Span::Part(part)) => resolver.keep_as(option!(self.t_end_fraction), part),
                Some(end) => resolver.keep_as(option!(self.t_end), StepSpan(end)),
            },
        }
        if let (Some(Span::Steps(end)), Span::Steps(begin)) = (method.end, method.begin)
            && end <= begin
        {
            let (late, early) = (resolver.show(option!(self.t_end)), resolver.name(option!(self.t_begin)));
            let what = format!("{late}: step {end} is not after {early} {begin}");
            resolver.problems.add_with_help(what, "updates come from --t-begin on and before --t-end");
        }
    }

    fn accumulation(&self, method: &mut Method, reads_gradient: bool, resolver: &mut Resolver) {
        let option = option!(self.grad_accumulation_n);
        if !reads_gradient {
            resolver.no_effect(option, "unless edges grow by gradient", "add --growth gradient, or leave it out");
            return;
        }
        method.accumulate = resolver.keep_or(option, method.accumulate as usize) as u64;
        // One batch is that of the update itself, which is there even if every step is one.
        if let Span::Steps(interval) = method.interval
            && method.accumulate > 1
            && method.accumulate >= interval
        {
            let what = format!(
                "{}: {} batches are not fewer than the {interval} steps between two updates",
                resolver.show(option),
                method.accumulate,
            );
            resolver.problems.add_with_help(what, "lower it, or raise --update-frequency");
        }
    }
}
