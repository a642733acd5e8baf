//! Alarms, digests and summaries as a mail server gets them: their parts, their chart, and their links, which act.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use stagepost::clock::Clock;
use stagepost::domain::time::Span;

use crate::support::api::Api;
use crate::support::server::Server;
use crate::support::smtp::Smtp;

/// An alarm comes after a second, a digest after three; a summary with the next minute but one.
const BY_THEN: Duration = Duration::from_secs(150);

const DEFINITIONS: &str = r#"
[[source]]
key = "studio"
kind = "studio"
write_key = "wk_studio"

[[team]]
key = "desk"
time_zone = "Asia/Kathmandu"
summary = { at = "AT", to = ["lead@example.com"] }

[[flow]]
name = "reminder"
team = "desk"

[[flow.escalation]]
stage = "no_reply"
after = "1s"
channel = "email"
to = ["ops@example.com"]
template = "no_reply"

[[flow]]
name = "intake"
team = "desk"
digest = { more_than = 1, within = "2s" }

[[flow.escalation]]
stage = "sent"
after = "1s"
channel = "email"
to = ["ops@example.com"]
template = "stalled"
"#;

/// Opens a page, or presses its button.
pub struct Browser {
    client: reqwest::Client,
}

impl Browser {
    pub fn new() -> Self {
        Self { client: reqwest::Client::builder().no_proxy().build().expect("an HTTP client") }
    }

    pub async fn open(&self, url: &str) -> String {
        let answer = self.client.get(url).send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(answer.status(), 200, "{url}");
        answer.text().await.expect("a page")
    }

    pub async fn press(&self, url: &str, form: &str) -> String {
        let request = self.client.post(url).header("content-type", "application/x-www-form-urlencoded");
        let answer =
            request.body(form.to_owned()).send().await.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(answer.status(), 200, "{url}");
        answer.text().await.expect("a page")
    }
}

pub async fn post(api: &Api, user: &str, flow: &str, stage: &str) -> String {
    let body = json!({"userID": user, "phoneNumber": "+15550002222", "flow": flow, "stage": stage});
    let answer = api.post("/studio/wk_studio", &body).await;
    answer.body["journeyId"].as_str().expect("a journeyId").to_owned()
}

/// The mail with that in its subject.
pub fn mail<'a>(mails: &'a [Value], subject: &str) -> &'a Value {
    let is_it = |mail: &&Value| mail["headers"]["Subject"].as_str().is_some_and(|it| it.contains(subject));
    mails.iter().find(is_it).unwrap_or_else(|| panic!("no mail on {subject:?}: {mails:#?}"))
}

fn part<'a>(mail: &'a Value, kind: &str) -> &'a str {
    let parts = mail["parts"].as_array().expect("parts");
    let part =
        parts.iter().find(|part| part["type"] == kind).unwrap_or_else(|| panic!("no {kind}: {mail:#}"));
    part["text"].as_str().expect("a text")
}

/// Every address of an acting page in both parts, in the order of the plain text.
pub fn links(api: &Api, mail: &Value) -> Vec<String> {
    let begin = format!("{}/act/", api.base());
    let of = |text: &str| -> Vec<String> {
        let ends = |letter: char| letter.is_whitespace() || letter == '"';
        text.match_indices(&begin)
            .map(|(at, _)| text[at..].split(ends).next().unwrap_or_default().to_owned())
            .collect()
    };
    let (plain, html) = (of(part(mail, "text/plain")), of(part(mail, "text/html")));
    assert!(
        !plain.is_empty() && plain.iter().all(|link| html.contains(link)),
        "both parts: {plain:?} {html:?}"
    );
    plain
}

/// Two minutes from now at most, and not before the journeys have stalled: a time of day in Kathmandu.
fn soon() -> String {
    let soon = Clock::system().now().plus(Span::from_secs(75)).to_chrono();
    soon.with_timezone(&chrono_tz::Asia::Kathmandu).format("%H:%M").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_arrive_whole_and_their_links_act() {
    let smtp = Smtp::start(&[]);
    let server = Server::new(&DEFINITIONS.replace("AT", &soon()))
        .with("STAGEPOST_SMTP_URL", &format!("smtp://127.0.0.1:{}", smtp.port()))
        .with("STAGEPOST_MAIL_FROM", "stagepost@example.com")
        .started()
        .await;
    let api = server.api();
    let journey = post(api, "<i>ada</i>", "reminder", "no_reply").await;
    let mut others = Vec::new();
    for user in ["bob", "cyd", "dan"] {
        others.push(post(api, user, "intake", "sent").await);
    }
    let mails = smtp.wait_for_mails(3, BY_THEN).await;
    let browser = Browser::new();

    // A scanner follows every link of every mail, twice.
    for mail in &mails {
        for link in links(api, mail) {
            browser.open(&link).await;
            browser.open(&link).await;
        }
    }
    let shown = api.get(&format!("/api/journeys/{journey}")).await;
    assert_eq!((&shown["status"], &shown["acknowledged"]), (&json!("stalled"), &Value::Null), "{shown:#}");

    // The alarm.
    let alarm = mail(&mails, "is stuck in reminder");
    assert_eq!(alarm["headers"]["Subject"], "<i>ada</i> is stuck in reminder");
    assert!(alarm["headers"]["List-Unsubscribe"].is_null(), "{alarm:#}");
    assert!(part(alarm, "text/html").contains("&lt;i&gt;ada&lt;/i&gt;"), "{alarm:#}");
    assert!(part(alarm, "text/plain").contains(" UTC+05:45"), "{alarm:#}");
    let page = browser.press(&links(api, alarm)[0], "name=Ann&note=on+it").await;
    assert!(page.contains("Acknowledged.") && page.contains("&lt;i&gt;ada&lt;/i&gt;"), "{page}");
    let shown = api.get(&format!("/api/journeys/{journey}")).await;
    assert_eq!(
        (&shown["acknowledged"]["by"], &shown["acknowledged"]["reason"], &shown["acknowledged"]["via"]),
        (&json!("Ann"), &json!("on it"), &json!("mail"))
    );

    // The digest.
    let digest = mail(&mails, "3 journeys stuck in intake");
    let page = browser.press(&links(api, digest)[0], "").await;
    assert!(page.contains("3 journeys raise no further alarms"), "{page}");
    for id in &others {
        let shown = api.get(&format!("/api/journeys/{id}")).await;
        assert_eq!(shown["acknowledged"]["by"], "ops@example.com", "{shown:#}");
    }

    // The summary: four stalls in its last hour, in words and as a picture.
    let summary = mail(&mails, "desk: 4 stalled");
    assert_eq!(summary["rcptTos"], json!(["lead@example.com"]));
    let picture = &summary["pictures"][0];
    assert_eq!(picture["type"], "image/png");
    let id = picture["contentId"].as_str().expect("a name").trim_matches(['<', '>']);
    let html = part(summary, "text/html");
    assert!(html.contains(&format!("src=\"cid:{id}\" alt=\"Stalls in each hour")), "{html}");
    let file = STANDARD.decode(picture["base64"].as_str().expect("a picture")).expect("base 64");
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let frame = reader.next_frame(&mut pixels).expect("a picture");
    assert!(frame.width > 500 && frame.height > 100 && pixels.iter().any(|byte| *byte != 0));
    let header = summary["headers"]["List-Unsubscribe"].as_str().expect("a way out");
    let page = browser.press(header.trim_matches(['<', '>']), "List-Unsubscribe=One-Click").await;
    assert!(page.contains("lead@example.com gets no more daily summaries of desk."), "{page}");
}
