//! What the mails, calls and messages of a ladder say, made with a sample.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::super::page::Answer;
use super::super::render::segment;
use super::super::visit::Visit;
use super::words;
use crate::delivery::templates::{Previews, Templates, TextKind, preview_text};
use crate::domain::decide::in_words;
use crate::domain::definition::{Channel, Flow};
use crate::domain::time::Span;

/// What is inside of a preview does nothing and asks for nothing; only our own pages show it.
const POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'self'";

/// The stall that a preview is about.
pub(super) struct About<'a> {
    pub flow: &'a str,
    pub stage: &'a str,
    pub after: &'a str,
    pub level: u32,
    pub zone: &'a str,
}

impl About<'_> {
    fn context(&self) -> Map<String, Value> {
        let stage = if self.stage.is_empty() { "no_reply" } else { self.stage };
        let mut about = Map::new();
        about.insert("journey".to_owned(), json!({ "flow": self.flow, "stage": stage }));
        about.insert("level".to_owned(), self.level.into());
        about.insert("levels".to_owned(), self.level.into());
        about.insert("after".to_owned(), self.after.into());
        if let Ok(after) = self.after.parse::<Span>() {
            about.insert("stalledFor".to_owned(), in_words(after.millis()).into());
        }
        about.insert("timeZone".to_owned(), self.zone.into());
        about
    }

    /// Where the mail's HTML is.
    fn place(&self, template: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([
            ("template", template),
            ("stage", self.stage),
            ("after", self.after),
            ("zone", self.zone),
        ]);
        query.append_pair("level", &self.level.to_string());
        format!("/console/flows/{}/preview?{}", segment(self.flow), query.finish())
    }
}

/// What mails, calls and messages are made of here.
pub(super) fn templates(visit: &Visit) -> Arc<Templates> {
    visit.state.tester().map_or_else(|| Arc::new(Templates::built_in()), |sender| sender.templates())
}

/// The mail's HTML, to be shown in a frame.
pub(super) async fn mail(visit: Visit, flow: web::Path<String>) -> Answer {
    let asked = |name| visit.asked(name).unwrap_or_default();
    let about = About {
        flow: &flow,
        stage: asked("stage"),
        after: asked("after"),
        level: asked("level").parse().unwrap_or(1),
        zone: asked("zone"),
    };
    let mails = templates(&visit).previews(about.zone);
    let (status, kind, body) = match mails.mail(asked("template"), &about.context()) {
        Ok(mail) => (StatusCode::OK, "text/html; charset=utf-8", mail.html),
        Err(problem) => (StatusCode::UNPROCESSABLE_ENTITY, "text/plain; charset=utf-8", problem),
    };
    let mut response = HttpResponse::build(status);
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "SAMEORIGIN"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        response.insert_header((name, value));
    }
    Ok(response.body(body))
}

/// What makes the previews of one page.
pub(super) struct Samples {
    templates: Arc<Templates>,
    mails: Previews,
}

impl Samples {
    /// Those by the clock of that zone.
    pub fn of(visit: &Visit, zone: &str) -> Self {
        let templates = templates(visit);
        Self { mails: templates.previews(zone), templates }
    }

    /// The preview of a mail: `{subject, text, src}`; of what can't be made, `{problem}`.
    pub fn mail(&self, template: &str, about: &About<'_>) -> Value {
        match self.mails.mail(template, &about.context()) {
            Ok(mail) => json!({ "subject": mail.subject, "text": mail.text, "src": about.place(template) }),
            Err(problem) => json!({ "problem": problem }),
        }
    }

    /// The preview of what is spoken or written: `{text}`, or `{problem}`.
    pub fn text(&self, kind: TextKind, text: &str, about: &About<'_>) -> Value {
        let text = Some(text).filter(|text| !text.is_empty());
        match preview_text(&self.templates, kind, text, &about.context()) {
            Ok(text) => json!({ "text": text }),
            Err(problem) => json!({ "problem": problem }),
        }
    }
}

/// What each mail, call and message of a flow says: `{stage, level, channel, …}`.
pub(super) fn of_flow(visit: &Visit, flow: &Flow) -> Vec<Value> {
    let definitions = visit.engine().definitions();
    let team = flow.team.as_ref().and_then(|key| definitions.teams.get(key));
    let zone = team.map_or("UTC", |team| team.time_zone.name());
    let samples = Samples::of(visit, zone);
    let mut previews = Vec::new();
    for stage in words::stages(flow) {
        for (number, _, level) in flow.levels(stage) {
            let after = level.after.to_string();
            let about = About { flow: &flow.name, stage, after: &after, level: number, zone };
            for channel in level.actions.iter().chain(words::instead(level)) {
                let Some(mut preview) = of_channel(&samples, channel, &about) else { continue };
                preview["stage"] = stage.into();
                preview["level"] = number.into();
                preview["channel"] = channel.as_str().into();
                previews.push(preview);
            }
        }
    }
    previews
}

/// What a channel says; `None` where it says nothing.
fn of_channel(samples: &Samples, channel: &Channel, about: &About<'_>) -> Option<Value> {
    let of_text =
        |kind, text: &Option<String>| samples.text(kind, text.as_deref().unwrap_or_default(), about);
    match channel {
        Channel::Email { template, .. } => Some(samples.mail(template, about)),
        Channel::Call { text, .. } => Some(of_text(TextKind::Call, text)),
        Channel::Sms { text, .. } => Some(of_text(TextKind::Sms, text)),
        Channel::Webhook { .. } | Channel::StudioExecution { .. } | Channel::Task { .. } => None,
    }
}
