//! The fields of a directive's argument, each of its type.

use serde_json::{Map, Value};

use crate::domain::mapping::expression::Expression;

use super::{Parser, UNREAD, kind};

/// A directive's argument and what is known of it.
pub(super) type Fields<'v> = &'v Map<String, Value>;

impl<'v> Parser<'v> {
    /// An argument that is an object with these fields and no others.
    pub(super) fn fields(&mut self, argument: &'v Value, known: &[&str]) -> Option<Fields<'v>> {
        let fields = match argument {
            Value::Object(fields) if !fields.keys().any(|key| key.starts_with('@')) => fields,
            _ => {
                self.problem(format!("should be an object but it is {}", kind(argument)));
                return None;
            }
        };
        for (key, value) in fields {
            if !known.contains(&key.as_str()) {
                self.within(key, |parser| {
                    parser.problem(format!("is no field here; the fields are {}", known.join(", ")));
                    // What is inside is looked at, too: with the name put right it must not be wrong again.
                    parser.expression(value);
                });
            }
        }
        Some(fields)
    }

    /// A field that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        fields: Fields<'v>,
        name: &str,
        read: impl FnOnce(&mut Self, &'v Value) -> T,
    ) -> Option<T> {
        let (key, value) = fields.get_key_value(name)?;
        Some(self.within(key, |parser| read(parser, value)))
    }

    /// A field that has to be there.
    pub(super) fn required<T>(
        &mut self,
        fields: Fields<'v>,
        name: &str,
        read: impl FnOnce(&mut Self, &'v Value) -> T,
    ) -> Option<T> {
        if !fields.contains_key(name) {
            self.problem(format!("should have field \"{name}\" but it doesn't"));
        }
        self.optional(fields, name, read)
    }

    /// A directive or a text.
    pub(super) fn directive_or_text(&mut self, value: &'v Value) -> Expression {
        if value.is_string() || kind(value) == "a directive" {
            return self.expression(value);
        }
        self.problem(format!("should be a string or a mapping directive but it is {}", kind(value)));
        UNREAD
    }

    /// A directive or an object.
    pub(super) fn directive_or_object(&mut self, value: &'v Value) -> Expression {
        if value.is_object() {
            return self.expression(value);
        }
        self.problem(format!("should be an object or a mapping directive but it is {}", kind(value)));
        UNREAD
    }

    /// A text as it stands.
    pub(super) fn text(&mut self, value: &'v Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            _ => {
                self.problem(format!("should be a string but it is {}", kind(value)));
                String::new()
            }
        }
    }

    /// A text of so many characters.
    pub(super) fn text_of(&mut self, value: &'v Value, least: usize, most: usize) -> String {
        let text = self.text(value);
        let length = text.chars().count();
        if value.is_string() && length < least {
            self.problem(format!("should be a string of length {least} or greater"));
        } else if length > most {
            self.problem(format!("should be a string of length {most} or less"));
        }
        text
    }

    /// One of two words; whether it is the first.
    pub(super) fn either(&mut self, value: &'v Value, words: [&str; 2]) -> bool {
        let [first, second] = words;
        match value {
            Value::String(word) if word == first => true,
            Value::String(word) if word == second => false,
            Value::String(_) => {
                self.problem(format!("should be \"{first}\" or \"{second}\""));
                false
            }
            _ => {
                self.problem(format!("should be \"{first}\" or \"{second}\" but it is {}", kind(value)));
                false
            }
        }
    }

    /// A truth value.
    pub(super) fn truth(&mut self, value: &'v Value) -> bool {
        if let Value::Bool(truth) = value {
            return *truth;
        }
        self.problem(format!("should be a boolean but it is {}", kind(value)));
        false
    }
}
