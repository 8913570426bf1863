//! What methods are made of: a rule whose steps are not counted yet, every entry of which options may replace.

use std::fmt;

use super::drop::Magnitude;
use super::grow::Gradient;
use super::{Count, Drop, DropScope, Exchange, GrowRule, GrownValue, Prune, PruneScope, PruneScore, Redistribute, Rule, When};
use crate::model::CostMethod;
use crate::schedule::decay::{Cosine, Cubic};
use crate::schedule::{Decay, DropFraction, FallingDensity, Length, Span};
use er_graphs::error::{Error, Result};
use er_graphs::registry::Selected;

/// The masks that training begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialMask {
    /// Random graphs.
    Drawn,
    /// All edges.
    Full,
}

/// What the density falls by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Falling {
    /// Whole updates between two epochs, over all layers ([`FallingDensity::by_updates`]).
    Updates,
    /// Updates and parts of them between two epochs, layer by layer ([`FallingDensity::by_fractions`]).
    Fractions,
    /// The steps between [`When::begin`] and [`When::end`], over all layers ([`FallingDensity::by_steps`]).
    Steps,
}

/// How a method prunes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pruning {
    /// What edges are compared by.
    pub score: PruneScore,
    /// What the density falls by.
    pub by: Falling,
    /// Where it begins and ends to fall, but for [`Falling::Steps`].
    pub ends: [Span; 2],
    /// How it falls.
    pub decay: Selected<dyn Decay>,
    /// As [`FallingDensity::reaches`].
    pub reaches: bool,
}

impl Pruning {
    /// GraNet's, by magnitude over all layers between two epochs.
    pub const GRANET: Self = Self {
        score: PruneScore::MAGNITUDE,
        by: Falling::Updates,
        ends: [Span::epochs(0), Span::epochs(110)],
        decay: Selected::new(&Cubic),
        reaches: false,
    };
}

/// How a method exchanges edges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exchanging {
    /// Which edges go.
    pub drop: Drop,
    /// Which come.
    pub grow: Selected<dyn GrowRule>,
    /// Where they come.
    pub redistribute: Redistribute,
    /// α, the first drop fraction.
    pub rate: f64,
    /// η, the last.
    pub floor: f64,
    /// How it falls.
    pub decay: Selected<dyn Decay>,
    /// What edges that come begin with.
    pub value: GrownValue,
    /// Whether edges that go and come back at once keep their values.
    pub regrown_keeps: bool,
}

impl Exchanging {
    /// RigL's.
    pub const RIGL: Self = Self {
        drop: Drop { by: Selected::new(&Magnitude), count: Count::Floor },
        grow: Selected::new(&Gradient),
        redistribute: Redistribute::None,
        rate: 0.3,
        floor: 0.0,
        decay: Selected::new(&Cosine),
        value: GrownValue::Zero,
        regrown_keeps: true,
    };

    /// The regeneration of ITOP, GraNet and the programs that descend from them.
    pub const GRANET: Self =
        Self { drop: Drop { count: Count::CeilAndTies, ..Self::RIGL.drop }, rate: 0.5, floor: 0.005, ..Self::RIGL };
}

/// A method: a rule whose steps are not counted yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Method {
    /// First masks.
    pub start: InitialMask,
    /// First and last density.
    pub densities: [f64; 2],
    /// How the network gets sparser.
    pub prune: Option<Pruning>,
    /// How edges are exchanged.
    pub exchange: Option<Exchanging>,
    /// Density of the weights that are trained, if these are more than those used (Top-KAST).
    pub backward: Option<f64>,
    /// ΔT.
    pub interval: Span,
    /// First step that may be an update.
    pub begin: Span,
    /// T_end: first step that may not; none if edges move until training ends.
    pub end: Option<Span>,
    /// Batches whose gradients are averaged.
    pub accumulate: u64,
    /// As [`Rule::replaces_step`].
    pub replaces_step: bool,
    /// As [`Rule::keeps_flow`].
    pub keeps_flow: bool,
}

impl Method {
    /// GraNet (Liu et al. 2021): prunes, then exchanges edges.
    pub const GRANET: Self = Self {
        start: InitialMask::Drawn,
        densities: [0.5, 0.05],
        prune: Some(Pruning::GRANET),
        exchange: Some(Exchanging::GRANET),
        backward: None,
        interval: Span::Steps(100),
        begin: Span::Steps(0),
        end: None,
        accumulate: 1,
        replaces_step: false,
        keeps_flow: false,
    };

    /// RigL (Evci et al. 2020).
    pub const RIGL: Self = Self {
        densities: [0.05, 0.05],
        prune: None,
        exchange: Some(Exchanging::RIGL),
        end: Some(Span::Part(0.75)),
        replaces_step: true,
        ..Self::GRANET
    };

    /// The first mask stays.
    pub const STATIC: Self = Self { prune: None, exchange: None, replaces_step: false, ..Self::RIGL };

    /// There is no mask.
    pub const DENSE: Self = Self { start: InitialMask::Full, densities: [1.0, 1.0], ..Self::STATIC };

    /// Which published formula says what such a training costs.
    #[must_use]
    pub fn cost(&self) -> CostMethod {
        match (&self.prune, &self.exchange) {
            _ if self.backward.is_some() => CostMethod::TopKast,
            (Some(_), Some(_)) => CostMethod::GraNet,
            (Some(_), None) => CostMethod::Pruning,
            (None, Some(x)) if x.grow.reads_velocity() || x.redistribute == Redistribute::Momentum => CostMethod::Snfs,
            (None, Some(x)) if x.grow.reads_gradient() => CostMethod::RigL,
            (None, Some(_)) => CostMethod::Set,
            (None, None) if self.start == InitialMask::Full => CostMethod::Dense,
            (None, None) => CostMethod::Static,
        }
    }

    /// When edges move in a training of this length, but for what a schedule of the density says.
    #[must_use]
    pub fn when(&self, length: Length) -> When {
        let stretched = |span: Span| span.stretched(length.multiplier).steps(length);
        When {
            interval: self.every(length),
            begin: stretched(self.begin),
            end: self.end.map(stretched),
            accumulate: self.accumulate,
        }
    }

    /// ΔT in steps, at least one.
    fn every(&self, length: Length) -> u64 {
        self.interval.steps(length).max(1)
    }

    /// Where the density begins and ends to fall, in steps.
    fn falls(prune: &Pruning, length: Length) -> [u64; 2] {
        prune.ends.map(|end| end.stretched(length.multiplier).steps(length))
    }

    /// Whether edges move at all.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.prune.is_some() || self.exchange.is_some() || self.backward.is_some()
    }

    /// Whether weights can be missing: at first, or later.
    #[must_use]
    pub fn has_mask(&self) -> bool {
        self.start == InitialMask::Drawn || self.moves()
    }

    /// The rule for a training of this length; none if no edges are pruned or exchanged.
    ///
    /// # Errors
    /// A usage error if no step would be an update, or if the density could not fall, or not to its end.
    pub fn rule(&self, length: Length) -> Result<Option<Rule>> {
        if self.prune.is_none() && self.exchange.is_none() {
            return Ok(None);
        }
        let steps = length.steps();
        let mut when = self.when(length);
        let end = when.end;
        let prune = self.prune.map(|prune| self.pruning(prune, when, length));
        if let Some(by) = self.prune.filter(|p| p.by != Falling::Steps) {
            // Nothing moves before the density does (GraNet).
            when.begin = when.begin.max(Self::falls(&by, length)[0]);
        }
        let exchange = self.exchange.map(|x| Exchange {
            drop: x.drop,
            grow: x.grow,
            redistribute: x.redistribute,
            fraction: DropFraction { initial: x.rate, floor: x.floor, decay: x.decay, end: end.unwrap_or(steps) },
            value: x.value,
            regrown_keeps: x.regrown_keeps,
        });
        if let (Some(prune), None) = (&prune, &exchange) {
            when.end = Some(prune.density.last_update(when.interval) + 1);
        }
        let rule = Rule { prune, exchange, when, replaces_step: self.replaces_step, keeps_flow: self.keeps_flow };
        self.check(&rule, length).map(|()| Some(rule))
    }

    /// Whether a training of this length has updates, and enough of them.
    fn check(&self, rule: &Rule, length: Length) -> Result<()> {
        let (steps, interval) = (length.steps(), rule.when.interval);
        if rule.replaces_step && rule.when.count(steps) == steps {
            let what =
                format!("no weight would be trained: all {steps} steps are updates, each of which takes the place of a step");
            let help = "raise --update-frequency, lower --t-end-fraction, or give --update-replaces-step false";
            return Err(Error::usage(what).help(help));
        }
        let Some(prune) = &rule.prune else {
            if rule.when.last(steps).is_some() {
                return Ok(());
            }
            let (begin, end) = (rule.when.begin, rule.when.end.map_or(steps, |end| end.min(steps)));
            let what = format!(
                "no edge would move: no multiple of the {interval} steps of an update lies between steps {begin} and {end}"
            );
            return Err(Error::usage(what).help("lower --update-frequency, or train for longer"));
        };
        let (density, settled) = (&prune.density, prune.density.last_update(interval));
        let last = rule.when.last(steps.min(settled));
        if !last.is_some_and(|last| (last / density.unit) as f64 > density.begin) {
            let place = match self.prune.map(|p| (p.by, p.ends)) {
                Some((Falling::Updates | Falling::Fractions, [first, last])) => {
                    format!("{} of {} steps", between(first, last), length.batches_per_epoch)
                }
                _ => format!("steps {} and {}", density.begin, density.end),
            };
            let updates = density.end - density.begin;
            let what = if self.prune.is_some_and(|p| p.by == Falling::Updates) && (1.0..2.0).contains(&updates) {
                format!(
                    "the one update of every {interval} steps between {place} prunes nothing: pruning ends one update before the last"
                )
            } else {
                let begin = self.begin.stretched(length.multiplier).steps(length);
                let from = if begin > 0 { format!(" from step {begin} on") } else { String::new() };
                format!("no update of every {interval} steps{from} lies between {place}, where the density falls")
            };
            return Err(Error::usage(what).help("lower --update-frequency, or let the density fall for longer"));
        }
        if settled > steps {
            let what = format!("the density falls until the update of step {settled}, but training ends after step {steps}");
            return Err(Error::usage(what).help("train for longer, lower --update-frequency, or let the density fall sooner"));
        }
        if rule.exchange.is_some() && rule.when.end.is_some_and(|end| end <= settled) {
            let end = rule.when.end.unwrap_or_default();
            let what = format!("the density falls until the update of step {settled}, but T_end = {end} is before");
            return Err(Error::usage(what).help("raise --t-end or --t-end-fraction, or lower --final-prune-epoch"));
        }
        Ok(())
    }

    /// Epochs after which networks are what the method makes of them: where the density falls, those until it stays; else those before
    /// the one with the first update. None if no edges move.
    #[must_use]
    pub fn settled_after(&self, length: Length) -> Option<u64> {
        let Some(prune) = self.prune else {
            let first = self.when(length).first(length.steps()).filter(|_| self.moves());
            return first.map(|step| step.div_ceil(length.batches_per_epoch) - 1);
        };
        let settled = match prune.by {
            Falling::Updates | Falling::Fractions => Self::falls(&prune, length)[1],
            // The first update at T_end or after it is the last.
            Falling::Steps => self.pruning(prune, self.when(length), length).density.last_update(self.every(length)),
        };
        Some(settled.div_ceil(length.batches_per_epoch))
    }

    fn pruning(&self, prune: Pruning, when: When, length: Length) -> Prune {
        let (ends, interval) = (Self::falls(&prune, length), self.every(length));
        let (density, scope) = match prune.by {
            Falling::Updates => (FallingDensity::by_updates(self.densities, ends, interval), PruneScope::GlobalAboveThreshold),
            Falling::Fractions => (FallingDensity::by_fractions(self.densities, ends, interval), PruneScope::Layer),
            Falling::Steps => {
                (FallingDensity::by_steps(self.densities, when.begin, when.end.unwrap_or(length.steps())), PruneScope::Global)
            }
        };
        let density = FallingDensity { decay: prune.decay, reaches: prune.reaches, ..density };
        Prune { density, score: prune.score, scope }
    }
}

/// What happens at an update, one line an act, with the symbols of the papers.
impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, _] = self.densities;
        if !self.moves() {
            return write!(f, "no edges move: density {first}");
        }
        match self.start {
            InitialMask::Drawn => write!(f, "first masks: random graphs of density {first}")?,
            InitialMask::Full => write!(f, "first masks: all edges")?,
        }
        let begin = if self.begin.is_zero() { String::new() } else { format!(" from {} on", place(self.begin)) };
        let until = if self.exchange.is_some() || self.backward.is_some() {
            self.end_in_words()
        } else {
            "until the density has fallen".to_owned()
        };
        let instead = if self.replaces_step { "in place of" } else { "after" };
        write!(f, "\nupdates: every ΔT = {}{begin}, {until}, {instead} the optimiser's step", stretch(self.interval))?;
        if let Some(backward) = self.backward {
            write!(f, "\nused: the largest weights of each layer, density {first}")?;
            write!(f, "\ntrained: more of the largest, density {backward}; those not used decay 1 / {first} times as fast")?;
        }
        if let Some(prune) = &self.prune {
            self.pruning_in_words(prune, f)?;
        }
        if let Some(exchange) = &self.exchange {
            self.exchange_in_words(exchange, f)?;
        }
        if self.keeps_flow { f.write_str("\nunits without edges: get one in place of another") } else { Ok(()) }
    }
}

impl Method {
    fn pruning_in_words(&self, prune: &Pruning, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([first, last], [begin, end]) = (self.densities, prune.ends);
        let over = if prune.by == Falling::Fractions { "of each layer" } else { "over all layers" };
        write!(
            f,
            "\nprune: the least by {} {over}, to a density that falls {} from {first} to {last} ",
            prune.score,
            if prune.decay == Selected::new(&Cubic) { "with a cube".to_owned() } else { format!("({})", prune.decay) }
        )?;
        match prune.by {
            Falling::Steps => write!(f, "from {} {}", place(self.begin), self.end_in_words().replace("before", "to")),
            _ if prune.reaches => write!(f, "between {}, and is that at the last update", between(begin, end)),
            _ => write!(f, "between {}", between(begin, end)),
        }
    }

    fn exchange_in_words(&self, x: &Exchanging, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match x.drop.count {
            Count::Floor => "⌊f·n⌋",
            Count::CeilAndTies => "⌈f·n⌉ and equal ones",
        };
        let from = if x.drop.by.scope() == DropScope::Network { "over all layers" } else { "of the n edges of each layer" };
        write!(f, "\ndrop: the least by {}, {number} {from}; f from {} to {} ({})", x.drop.by, x.rate, x.floor, x.decay)?;
        write!(f, "\ngrow: as many by {}", x.grow)?;
        if x.grow.reads_gradient() && self.accumulate > 1 {
            write!(f, ", averaged over {} batches", self.accumulate)?;
        }
        if x.redistribute != Redistribute::None {
            write!(f, ", redistributed by {}", x.redistribute)?;
        }
        write!(f, "; they begin with {} and without optimiser state", x.value)?;
        write!(f, "\ndropped and grown at once: {}", if x.regrown_keeps { "keeps its weight" } else { "begins anew" })
    }
}

impl Method {
    fn end_in_words(&self) -> String {
        match self.end {
            None => "to the end of training".to_owned(),
            Some(Span::Part(part)) => format!("before T_end = {part} of all steps"),
            Some(end) => format!("before T_end = {}", place(end)),
        }
    }
}

/// A place in a training, in words.
fn place(span: Span) -> String {
    match span {
        Span::Steps(step) => format!("step {step}"),
        Span::Epochs(epochs) => format!("epoch {epochs}"),
        Span::Part(part) => format!("{part} of all steps"),
    }
}

/// A stretch of a training, in words.
fn stretch(span: Span) -> String {
    match span {
        Span::Steps(steps) => format!("{steps} steps"),
        Span::Epochs(epochs) => format!("{epochs} epochs"),
        Span::Part(part) => format!("{part} of all steps"),
    }
}

/// Two places, in words after "between".
fn between(first: Span, last: Span) -> String {
    match [first, last] {
        [Span::Epochs(first), Span::Epochs(last)] => format!("epochs {first} and {last}"),
        others => others.map(place).join(" and "),
    }
}
