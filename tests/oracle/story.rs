//! Random cases: few people who do few things, at times that lie exactly at, just before and just after the edges of the
//! windows that the definitions name.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

use crate::build::{fields, post};
use crate::case::{ACCOUNTS, Case, Definition, Form, START, Step, USERS};
use crate::generate::{EVENTS, Kind, Queries, SOURCES};
use crate::history::{Fields, History, Post, What};
use crate::language::{Duration, Millis};
use crate::print::spelled;
use crate::value::{Writing, write};

const HOUR: Millis = 3_600_000;
/// How long a message id is surely remembered.
const REMEMBERED: Millis = 24 * HOUR;

/// The case of a seed.
pub fn case(seed: u64) -> Case {
    let mut rng = StdRng::seed_from_u64(seed);
    let spans = spans(&mut rng);
    let definitions = definitions(&mut rng, &spans);
    let mut lengths: Vec<Millis> = spans.iter().map(Duration::millis).collect();
    let queries = definitions.iter().flat_map(|definition| &definition.forms);
    lengths.extend(queries.flat_map(|form| form.query.durations()));
    lengths.sort_unstable();
    lengths.dedup();
    Story { rng, lengths, now: START, history: History::new(None), sent: Vec::new(), steps: Vec::new() }
        .told(definitions)
}

/// Two or three lengths of time that all definitions of a case share.
fn spans(rng: &mut StdRng) -> Vec<Duration> {
    let mut all = vec![
        Duration::new(1, "hour"),
        Duration::new(2, "hours"),
        Duration::new(1, "day"),
        Duration::new(36, "hours"),
        Duration::new(2, "days"),
        Duration::new(7, "days"),
        Duration::new(30, "days"),
        Duration::new(90, "days"),
    ];
    all.shuffle(rng);
    all.truncate(rng.random_range(2..4));
    all
}

fn definitions(rng: &mut StdRng, spans: &[Duration]) -> Vec<Definition> {
    let count = rng.random_range(2..6);
    let mut definitions: Vec<Definition> = Vec::new();
    let mut known: [Vec<(String, Kind)>; 2] = Default::default();
    for place in 0..count {
        let what = rng.random_range(0..100);
        let mut forms = Vec::new();
        let mut kind = Kind::Boolean;
        let key = format!("{}{place}", if what < 40 { "tra" } else { "aud" });
        for _ in 0..if rng.random_bool(0.12) { 2 } else { 1 } {
            let mut queries =
                Queries { rng, spans: spans.to_vec(), now: START, known: known.clone(), size: 0 };
            let query = match what {
                0..40 => {
                    let (query, of) = queries.computed();
                    kind = of;
                    query
                }
                40..82 => queries.audience(),
                _ => queries.account_audience(),
            };
            let text = spelled(&query, rng);
            forms.push(Form { query, text });
        }
        known[usize::from(forms[0].query.is_account_level())].push((key.clone(), kind));
        definitions.push(Definition { key, forms });
    }
    // Two that mean the same and are made at other times have to end the same.
    if rng.random_bool(0.5) {
        let like = rng.random_range(0..definitions.len());
        let query = definitions[like].forms[0].query.clone();
        let text = spelled(&query, rng);
        let key = format!("{}_like_{like}", if query.is_audience() { "aud" } else { "tra" });
        definitions.push(Definition { key, forms: vec![Form { query, text }] });
    }
    definitions
}

struct Story {
    rng: StdRng,
    /// Every length of time that a definition names, in milliseconds.
    lengths: Vec<Millis>,
    now: Millis,
    history: History,
    sent: Vec<(Millis, Post)>,
    steps: Vec<Step>,
}

impl Story {
    fn told(mut self, definitions: Vec<Definition>) -> Case {
        let posts = self.rng.random_range(4..16);
        let mut made: Vec<(usize, usize)> = Vec::new();
        for (place, definition) in definitions.iter().enumerate() {
            let last = place + 1 == definitions.len();
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
        Case { definitions, steps: self.steps }
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
                let broken_after = self.rng.random_bool(0.15).then(|| self.rng.random_range(0..8));
                self.steps.push(Step::Define { which, broken_after });
            }
        }
    }

    fn arrive(&mut self) {
        let count = if self.rng.random_bool(0.15) { self.rng.random_range(2..6) } else { 1 };
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
            return Some(Post { message: post.message, user: post.user, ..self.post() });
        }
        Some(post)
    }

    fn post(&mut self) -> Post {
        let at = self.instant();
        let user = [0, 0, 0, 1, 1, 2][self.rng.random_range(0..6)] % USERS;
        let what = match self.rng.random_range(0..100) {
            draw @ 0..66 => {
                let name = EVENTS[usize::from(draw >= 46)];
                What::Track(name.to_owned(), self.properties())
            }
            66..70 => What::Page(self.name(), self.properties()),
            70..73 => What::Screen(self.name(), self.properties()),
            73..91 => What::Identify(self.traits()),
            _ => What::Group(self.rng.random_range(0..ACCOUNTS), self.traits()),
        };
        let context = match self.rng.random_range(0..5) {
            0 => fields(json!({"page": {"url": self.pick(&["A", "ab", "b"])}})),
            1 => fields(json!({"screen": {"width": self.pick(&[json!(1), json!(2.5), json!("10")])}})),
            _ => Map::new(),
        };
        let message = loop {
            let message = format!("m{:03}", self.rng.random_range(0..1000));
            if !self.sent.iter().any(|(_, sent)| sent.message == message) {
                break message;
            }
        };
        Post { message, source: self.pick(&SOURCES), context, ..post(at, what) }.by(user)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from.choose(&mut self.rng).expect("something to choose from").clone()
    }

    /// When something happened: where it can make a difference.
    fn instant(&mut self) -> Millis {
        let length = self.pick(&self.lengths.clone());
        let near = self.rng.random_range(-1..2);
        match self.rng.random_range(0..20) {
            0..6 => self.now,
            6..11 => self.now - length + near,
            11..15 => match self.history.instants().choose(&mut self.rng) {
                Some(known) => known + [0, 0, length, -length][self.rng.random_range(0..4)] + near,
                None => self.now,
            },
            15 => self.now + length + near,
            16 => self.now + self.rng.random_range(1..HOUR),
            17 => self.now - self.rng.random_range(0..HOUR),
            _ => self.now - self.rng.random_range(0..length * 2),
        }
    }

    fn name(&mut self) -> Option<String> {
        self.pick(&[None, Some("A"), Some("ab"), Some("b")]).map(str::to_owned)
    }

    fn put(&mut self, into: &mut Fields, key: &str, probability: f64, values: &[Value]) {
        if self.rng.random_bool(probability) {
            into.insert(key.to_owned(), self.pick(values));
        }
    }

    fn numbers() -> Vec<Value> {
        [json!(1), json!(2), json!(2.5), json!("2.50"), json!(10), json!("3"), json!(-1), json!(0.3), json!(0)]
            .into_iter()
            .chain([json!("x"), Value::Null, json!(true), json!(3.0)])
            .collect()
    }

    fn texts() -> Vec<Value> {
        ["A", "A", "B", "a", "ab", "b", "5", "10", "", "é'\"\\", "Gent"].map(Value::from).to_vec()
    }

    fn date(&mut self) -> Value {
        let writing =
            self.pick(&[Writing::Utc, Writing::Utc, Writing::East, Writing::Day, Writing::Zoneless]);
        let length = self.pick(&self.lengths.clone()) * self.rng.random_range(-1..2);
        let at = self.now + length + self.rng.random_range(-1..2);
        if self.rng.random_bool(0.05) { json!(at) } else { write(at, writing).into() }
    }

    fn properties(&mut self) -> Fields {
        let mut into = Fields::new();
        let (numbers, mut texts) = (Self::numbers(), Self::texts());
        self.put(&mut into, "price", 0.75, &numbers);
        self.put(&mut into, "cost", 0.3, &numbers);
        texts.extend([json!(5), Value::Null]);
        self.put(&mut into, "sku", 0.7, &texts);
        let arrays = [json!(["a", "b"]), json!(["b"]), json!(["b", "b"]), json!([]), json!([1, "A"])];
        texts.extend(arrays);
        self.put(&mut into, "cat", 0.6, &texts);
        self.put(&mut into, "a.b", 0.2, &texts[..11]);
        self.put(&mut into, "gift", 0.2, &[json!(true), json!(false), json!("true")]);
        let item = |sku: &str, qty: Value| json!({"sku": sku, "qty": qty});
        let items = [
            json!([item("A", json!(1)), item("B", json!(2))]),
            json!([item("B", json!("10"))]),
            json!([{"qty": 1}, item("A", Value::Null)]),
            json!([]),
            json!("A"),
        ];
        self.put(&mut into, "items", 0.3, &items);
        self.put(&mut into, "addr", 0.15, &[json!({"city": "Gent"}), json!({"city": "A"}), json!({})]);
        if self.rng.random_bool(0.2) {
            into.insert("when".to_owned(), self.date());
        }
        into
    }

    fn traits(&mut self) -> Fields {
        let mut into = Fields::new();
        self.put(&mut into, "age", 0.5, &Self::numbers());
        let mut texts = Self::texts();
        texts.push(Value::Null);
        self.put(&mut into, "plan", 0.5, &texts);
        self.put(&mut into, "vip", 0.3, &[json!(true), json!(false), json!("true"), Value::Null]);
        self.put(&mut into, "tags", 0.3, &[json!(["A", "b"]), json!(["ab"]), json!([]), json!("A")]);
        self.put(&mut into, "addr", 0.2, &[json!({"city": "Gent"}), json!({"city": "A"}), Value::Null]);
        if self.rng.random_bool(0.5) {
            into.insert("born".to_owned(), self.date());
        }
        into
    }

    /// Instants after now at which something may change, in order; each with its neighbours.
    fn instants(&self) -> Vec<Millis> {
        let mut all = Vec::new();
        for known in self.history.instants().into_iter().chain([START]) {
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

    /// Time goes on: from edge to edge, past several of them, or a little.
    fn pass(&mut self) {
        for _ in 0..self.rng.random_range(0..5) {
            let instants = self.instants();
            let skip = if self.rng.random_bool(0.75) { 0 } else { self.rng.random_range(0..40) };
            let a_little = self.rng.random_range(1..HOUR);
            self.pass_to(instants.get(skip).copied().unwrap_or(self.now + a_little), false);
        }
        if self.rng.random_bool(0.05) {
            let to = self.instants().first().copied().unwrap_or(self.now + 1);
            self.pass_to(to, true);
        }
    }

    /// What remains: every further edge, or some of them.
    fn run_out(&mut self) {
        let mut left = self.instants();
        let most = 30;
        while left.len() > most {
            left.remove(self.rng.random_range(0..left.len()));
        }
        for to in left {
            self.pass_to(to, false);
        }
    }
}

