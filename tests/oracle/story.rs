//! Random cases: few people who do few things, at times that lie exactly at, just before and just after the edges of the
//! windows that the definitions name.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::case::{Case, Definition, Form, START, Step, Then};
use crate::generate::Queries;
use crate::history::{History, Post};
use crate::language::{Duration, Millis};
use crate::print::spelled;
use crate::theme::{Kind, Theme};
use crate::truth::{self, Given};

pub const HOUR: Millis = 3_600_000;
/// How long a message id is surely remembered.
const REMEMBERED: Millis = 24 * HOUR;

/// The case of a seed.
pub fn case(seed: u64) -> Case {
    let mut rng = StdRng::seed_from_u64(seed);
    let theme = Theme::new(&mut rng);
    let definitions = definitions(&mut rng, &theme);
    let mut lengths: Vec<Millis> = theme.spans.iter().map(Duration::millis).collect();
    let queries = definitions.iter().flat_map(|definition| &definition.forms);
    lengths.extend(queries.flat_map(|form| form.query.durations()));
    lengths.sort_unstable();
    lengths.dedup();
    let history = History::new(None);
    Story { rng, theme, definitions, lengths, now: START, history, sent: Vec::new(), steps: Vec::new() }
        .told()
}

fn definitions(rng: &mut StdRng, theme: &Theme) -> Vec<Definition> {
    let count = rng.random_range(2..6);
    let mut definitions: Vec<Definition> = Vec::new();
    let mut known: [Vec<(String, Kind)>; 2] = Default::default();
    for place in 0..count {
        let what = rng.random_range(0..100);
        let mut forms = Vec::new();
        // Others are about accounts because they say so.
        let accounts = what < 82 && rng.random_bool(0.08);
        let mut kind = Kind::Boolean;
        let key = format!("{}{place}", if what < 40 { "tra" } else { "aud" });
        for _ in 0..if rng.random_bool(0.12) { 2 } else { 1 } {
            let mut queries = Queries { rng, theme, known: known.clone(), size: 0 };
            let query = match what {
                0..40 => {
                    let (query, of) = queries.computed(accounts);
                    kind = of;
                    query
                }
                40..82 => queries.audience(accounts),
                _ => queries.account_audience(),
            };
            let text = spelled(&query, rng);
            forms.push(Form { accounts: accounts || query.is_account_level(), query, text });
        }
        known[usize::from(forms[0].accounts)].push((key.clone(), kind));
        definitions.push(Definition { key, forms });
    }
    // Two that mean the same and are made at other times have to end the same.
    if rng.random_bool(0.5) {
        let like = rng.random_range(0..definitions.len());
        let Form { query, accounts, .. } = definitions[like].forms[0].clone();
        let text = spelled(&query, rng);
        let key = format!("{}_like_{like}", if query.is_audience() { "aud" } else { "tra" });
        definitions.push(Definition { key, forms: vec![Form { query, text, accounts }] });
    }
    definitions
}

/// A case in the making.
pub struct Story {
    pub rng: StdRng,
    pub theme: Theme,
    definitions: Vec<Definition>,
    /// Every length of time that a definition names, in milliseconds.
    pub lengths: Vec<Millis>,
    pub now: Millis,
    pub history: History,
    pub sent: Vec<(Millis, Post)>,
    steps: Vec<Step>,
}

impl Story {
    fn told(mut self) -> Case {
        let posts = self.rng.random_range(5..18);
        let mut made: Vec<(usize, usize)> = Vec::new();
        for (place, definition) in self.definitions.iter().enumerate() {
            let last = place + 1 == self.definitions.len();
            let at = match self.rng.random_range(0..10) {
                0..5 if !last => 0,
                0..7 => self.rng.random_range(0..posts),
                _ => posts,
            };
            made.push((at, place));
            if definition.forms.len() > 1 {
                made.push((self.rng.random_range(at..=posts), place));
            }
        }
        for turn in 0..=posts {
            self.define(&made, turn);
            if turn < posts {
                self.arrive();
                self.pass();
            }
            if self.rng.random_bool(0.06) {
                self.steps.push(Step::Restart);
            }
        }
        self.run_out();
        Case { definitions: self.definitions, steps: self.steps }
    }

    /// The definitions whose turn it is: all at once, or one by one.
    fn define(&mut self, made: &[(usize, usize)], turn: usize) {
        let mut which: Vec<(usize, usize)> = Vec::new();
        for (place, (at, definition)) in made.iter().enumerate() {
            if *at == turn {
                let form = usize::from(made[..place].iter().any(|(_, earlier)| earlier == definition));
                which.push((*definition, form));
            }
        }
        let at_once = self.rng.random_bool(0.5);
        let (first, second): (Vec<_>, Vec<_>) = which.into_iter().partition(|(_, form)| *form == 0);
        for which in [first, second] {
            let groups: Vec<Vec<_>> = match at_once {
                true => vec![which],
                false => which.into_iter().map(|one| vec![one]).collect(),
            };
            for which in groups.into_iter().filter(|which| !which.is_empty()) {
                let pieces = self.rng.random_range(0..8);
                let then = match self.rng.random_range(0..20) {
                    0..3 => Then::Broken(pieces),
                    3..6 => Then::LeftOff(pieces),
                    _ => Then::Done,
                };
                self.steps.push(Step::Define { which, then });
            }
        }
    }

    fn arrive(&mut self) {
        let count = match self.rng.random_range(0..20) {
            0..3 => self.rng.random_range(2..6),
            3..8 if self.theme.busy => self.rng.random_range(50..150),
            _ => 1,
        };
        let mut posts: Vec<Post> = Vec::new();
        for _ in 0..count {
            let post = self.repetition().unwrap_or_else(|| {
                let post = self.post();
                self.sent.push((self.now, post.clone()));
                post
            });
            self.history.take(&post, self.now);
            posts.push(post);
        }
        self.steps.push(Step::Arrive(posts));
    }

    /// A message that was sent before and is surely still known, perhaps with something else in it.
    fn repetition(&mut self) -> Option<Post> {
        if !self.rng.random_bool(0.08) {
            return None;
        }
        let (_, post) = self.sent.iter().rfind(|(at, _)| at + REMEMBERED >= self.now)?.clone();
        if self.rng.random_bool(0.3) {
            let (user, anonymous) = (post.user, post.anonymous);
            return Some(Post { message: post.message, user, anonymous, ..self.post() });
        }
        Some(post)
    }

    /// Instants after now at which something may change, in order; each with its neighbours.
    fn instants(&mut self) -> Vec<Millis> {
        let mut known = self.history.instants();
        known.push(START);
        // Of many, some.
        let known: Vec<Millis> = known.choose_multiple(&mut self.rng, 12).copied().collect();
        let mut all = Vec::new();
        for known in known {
            for length in self.lengths.iter().copied().chain([0]) {
                all.extend((-1..2).flat_map(|near| [known + length + near, known - length + near]));
            }
        }
        all.retain(|at| *at > self.now);
        all.sort_unstable();
        all.dedup();
        all
    }

    fn pass_to(&mut self, to: Millis, unseen: bool) {
        self.now = to;
        self.steps.push(Step::Pass { to, unseen });
    }

    /// The first instants after now at which a definition's value changes, each after the last one before it.
    fn changes(&mut self, most: usize) -> Vec<Millis> {
        let mut all: Vec<Millis> = Vec::new();
        let (mut before, mut last) = (self.truth(self.now), self.now);
        for at in self.instants() {
            let truth = self.truth(at);
            if truth != before {
                if last > self.now && all.last() != Some(&last) {
                    all.push(last);
                }
                all.push(at);
                if all.len() >= most {
                    break;
                }
            }
            (before, last) = (truth, at);
        }
        all
    }

    /// What all definitions are worth at an instant.
    fn truth(&self, at: Millis) -> Vec<Option<Value>> {
        let mut given = Given::new();
        let mut all = Vec::new();
        for definition in &self.definitions {
            for form in &definition.forms {
                for owner in truth::owners(form, &self.history) {
                    let value = truth::value(&form.query, owner, &self.history, &given, at, None);
                    if let Some(value) = &value {
                        given.insert((owner, definition.key.clone()), value.clone());
                    }
                    all.push(value);
                }
            }
        }
        all
    }

    /// Time goes on: from change to change, past several of them, to a moment when nothing should happen, or a little.
    fn pass(&mut self) {
        match self.rng.random_range(0..10) {
            0..2 => {}
            2..6 => {
                let most = self.rng.random_range(1..5);
                self.changes(most).into_iter().for_each(|to| self.pass_to(to, false));
            }
            6..9 => {
                let skip = self.rng.random_range(0..60);
                let a_little = self.now + self.rng.random_range(1..HOUR);
                let to = self.instants().get(skip).copied().unwrap_or(a_little);
                self.pass_to(to, false);
            }
            _ => {
                let to = self.changes(1).first().copied().unwrap_or(self.now + 1);
                let unseen = self.rng.random_bool(0.5);
                self.pass_to(to, unseen);
            }
        }
    }

    /// What remains: every further change, and some instants at which nothing should happen.
    fn run_out(&mut self) {
        let mut left = self.changes(if self.theme.busy { 15 } else { 60 });
        let others = self.instants();
        left.extend(others.choose_multiple(&mut self.rng, 5));
        left.sort_unstable();
        left.dedup();
        for to in left {
            self.pass_to(to, false);
        }
    }
}
