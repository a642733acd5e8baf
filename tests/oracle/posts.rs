//! Random posts: few people say few things, of instants that lie at, just before and just after the edges of windows.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::{Map, Value, json};

use crate::build::{fields, post};
use crate::case::{ACCOUNTS, USERS, VISITORS};
use crate::history::{Fields, Id, Post, What};
use crate::language::Millis;
use crate::story::{HOUR, Story};
use crate::theme::{Kind, SOURCES};
use crate::value::{Writing, decimal, json};

impl Story {
    /// Something that somebody says.
    pub fn post(&mut self) -> Post {
        let mut at = self.instant();
        let user = [0, 0, 0, 0, 1, 1, 2][self.rng.random_range(0..7)] % USERS;
        let what = match self.rng.random_range(0..100) {
            0..76 => {
                let name = self.pick(&self.theme.events.clone());
                let properties = self.properties();
                match name {
                    "Page Viewed" => What::Page(self.name(), properties),
                    "Screen Viewed" => What::Screen(self.name(), properties),
                    name => What::Track(name.to_owned(), properties),
                }
            }
            76..93 => What::Identify(self.traits()),
            _ => What::Group(self.rng.random_range(0..ACCOUNTS), self.traits()),
        };
        // What two ids say of the same instant has no order.
        while self.theme.visitors && matches!(what, What::Identify(_)) && self.history.said(at) {
            at += 1;
        }
        let post = Post { user: Some(user), ..self.message(at, what) };
        self.under_some_id(post)
    }

    /// With visitors about, some posts come under their ids, some under both, and some say who somebody was.
    fn under_some_id(&mut self, post: Post) -> Post {
        if !self.theme.visitors {
            return post;
        }
        let visitor = self.rng.random_range(0..VISITORS);
        match self.rng.random_range(0..20) {
            0..4 if !matches!(post.what, What::Group(..)) => {
                Post { user: None, anonymous: Some(visitor), ..post }
            }
            4..7 => Post { anonymous: Some(visitor), ..post },
            7 => {
                let visitor = Id::Anonymous(visitor);
                let id = if self.history.knows(visitor) {
                    visitor
                } else {
                    Id::User(self.rng.random_range(0..USERS))
                };
                Post { what: What::Alias(id), ..post }
            }
            _ => post,
        }
    }

    fn message(&mut self, at: Millis, what: What) -> Post {
        let context = match self.rng.random_range(0..5) {
            0 => fields(json!({"page": {"url": self.text()}})),
            1 => fields(json!({"screen": {"width": self.pick(&[json!(1), json!(2.5), json!("10")])}})),
            _ => Map::new(),
        };
        let message = loop {
            let message = format!("m{:04}", self.rng.random_range(0..10_000));
            if !self.sent.iter().any(|(_, sent)| sent.message == message) {
                break message;
            }
        };
        Post { message, source: self.pick(&SOURCES), context, ..post(at, what) }
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from.choose(&mut self.rng).expect("something to choose from").clone()
    }

    /// When something happened: where it can make a difference.
    fn instant(&mut self) -> Millis {
        let length = self.pick(&self.lengths.clone());
        let near = self.pick(&[-1, 0, 0, 1]);
        match self.rng.random_range(0..20) {
            0..5 => self.now,
            5..8 => self.now - length + near,
            8..14 => match self.history.instants().choose(&mut self.rng) {
                Some(known) => known + self.pick(&[0, near, length, length + near, near - length]),
                None => self.now,
            },
            14 => self.now + length + near,
            15 => self.now + self.rng.random_range(1..HOUR),
            16 => self.now - self.rng.random_range(0..HOUR),
            _ => self.now - self.rng.random_range(0..length * 2),
        }
    }

    fn name(&mut self) -> Option<String> {
        self.rng.random_bool(0.8).then(|| self.text())
    }

    fn text(&mut self) -> String {
        self.pick(&self.theme.texts.clone()).to_owned()
    }

    /// A number in one of the ways that senders write it, or something else.
    fn number(&mut self) -> Value {
        let digits = self.pick(&self.theme.numbers.clone());
        let number = || digits.parse::<f64>().expect("a number");
        match self.rng.random_range(0..12) {
            0..7 => json(decimal(digits).expect("a number")),
            7 => json!(number()),
            8 => json!(digits),
            9 if !digits.contains('.') => json!(format!("{digits}.0")),
            10 => self.pick(&[json!("x"), Value::Null, json!(true), json!("")]),
            _ => json!(number()),
        }
    }

    /// A text, or something that is read as one.
    fn any_text(&mut self) -> Value {
        match self.rng.random_range(0..20) {
            0 => Value::Null,
            1 => self.number(),
            2 => json!(self.rng.random_bool(0.5)),
            _ => json!(self.text()),
        }
    }

    fn array(&mut self) -> Value {
        let count = self.rng.random_range(0..3);
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(if self.rng.random_bool(0.1) { json!(1) } else { json!(self.text()) });
        }
        Value::from(entries)
    }

    fn date(&mut self) -> Value {
        let writings =
            [Writing::Utc, Writing::Utc, Writing::Utc, Writing::East, Writing::Day, Writing::Zoneless];
        match self.rng.random_range(0..30) {
            0 => json!(self.now),
            1 => json!("soon"),
            _ => json!(self.theme.date(&mut self.rng, &writings)),
        }
    }

    fn items(&mut self) -> Value {
        let mut items = Vec::new();
        for _ in 0..self.rng.random_range(0..3) {
            let mut item = Fields::new();
            if self.rng.random_bool(0.85) {
                item.insert("sku".to_owned(), self.any_text());
            }
            if self.rng.random_bool(0.85) {
                item.insert("qty".to_owned(), self.number());
            }
            items.push(Value::Object(item));
        }
        if self.rng.random_bool(0.05) { json!(self.text()) } else { Value::from(items) }
    }

    /// The value that stands under the first key of a path.
    fn value(&mut self, path: &str, kind: Kind) -> Value {
        match (path, kind) {
            ("cat", _) if self.rng.random_bool(0.4) => self.array(),
            ("tags.$", _) if self.rng.random_bool(0.9) => self.array(),
            (path, _) if path.starts_with("items") => self.items(),
            ("addr.city", _) => json!({"city": self.any_text()}),
            (_, Kind::Number) => self.number(),
            (_, Kind::Text) => self.any_text(),
            (_, Kind::Date) => self.date(),
            (_, Kind::Boolean) => self.pick(&[json!(true), json!(false), json!("true"), Value::Null]),
        }
    }

    fn fields(&mut self, known: &[(&str, Kind)], probability: f64) -> Fields {
        let mut into = Fields::new();
        for (path, kind) in known {
            if self.rng.random_bool(probability) {
                let key = if *path == "a\\.b" { "a.b" } else { path.split('.').next().expect("a key") };
                let value = self.value(path, *kind);
                into.insert(key.to_owned(), value);
            }
        }
        into
    }

    fn properties(&mut self) -> Fields {
        self.fields(&self.theme.properties.clone(), 0.85)
    }

    fn traits(&mut self) -> Fields {
        self.fields(&self.theme.traits.clone(), 0.8)
    }
}
