//! The links of mails: what they show, what they do, and what they don't.

use serde_json::{Value, json};
use stagepost::engine::{By, Operation};

use crate::app::{Setup, TestApp, app};
use crate::http::{Got, send};
use crate::studio::{FLOW, definitions, post_stage};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const FORM: &str = "application/x-www-form-urlencoded";

/// Alarms after 30 minutes and after an hour, in a team of Brussels; to one address, and to two.
fn with_levels() -> Value {
    let level = |after: &str, to: &[&str]| json!({ "stage": "no_reply", "after": after, "channel": "email", "to": to, "template": "no_reply" });
    let mut document = definitions();
    document["team"] = json!([{ "key": "desk", "time_zone": "Europe/Brussels" }]);
    document["flow"][0]["team"] = json!("desk");
    document["flow"][0]["escalation"] =
        json!([level("30m", &["ops@example.com"]), level("1h", &["boss@example.com", "ops@example.com"])]);
    document
}

async fn started() -> TestApp {
    let app = app().await;
    app.apply(&with_levels()).await;
    app
}

/// A journey that stalled, and its mail's text.
async fn stalled(app: &TestApp, user: &str) -> (String, String) {
    let id = post_stage(app, user, "no_reply").await;
    app.advance(30 * MINUTE).await;
    let (_, mail) = app.mails().pop().expect("a mail");
    (id, plain(&mail))
}

/// The plain text of a mail as it is read.
fn plain(mail: &str) -> String {
    let part = mail.split("Content-Type: text/plain").nth(1).expect("a plain part");
    let (head, body) = part.split_once("\r\n\r\n").expect("a head");
    let body = body.split("\r\n--").next().unwrap_or_default();
    assert!(!head.contains("base64"), "{head}");
    if !head.contains("quoted-printable") {
        return body.replace("\r\n", "\n");
    }
    body.replace("=\r\n", "").replace("=3D", "=").replace("\r\n", "\n")
}

/// The paths of the links in a text, in their order.
fn links(app: &TestApp, text: &str) -> Vec<String> {
    let begin = format!("{}/act/", app.base());
    text.lines()
        .filter(|line| line.starts_with(&begin))
        .map(|line| line[app.base().len()..].to_owned())
        .collect()
}

async fn open(app: &TestApp, path: &str) -> Got {
    send(app.request("GET", path)).await
}

async fn press(app: &TestApp, path: &str, form: &str) -> Got {
    app.post_text(path, FORM, form.to_owned()).await
}

async fn journey(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/journeys/{id}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_shows_first_and_acts_on_its_button() {
    let app = started().await;
    let (id, mail) = stalled(&app, "u1").await;
    let paths = links(&app, &mail);
    assert_eq!(paths.len(), 4, "acknowledge, resolve, two snoozes:\n{mail}");
    // What scanners do, again and again.
    for path in &paths {
        for method in ["GET", "HEAD", "GET"] {
            send(app.request(method, path)).await.expect(200);
        }
    }
    let shown = journey(&app, &id).await;
    assert_eq!((&shown["status"], &shown["acknowledged"]), (&json!("stalled"), &Value::Null));

    let page = open(&app, &paths[0]).await;
    let text = page.text();
    for part in
        ["u1", FLOW, "no_reply", "+14155550100", "ops@example.com", "Acknowledge", "21 Nov 2026, 11:00 CET"]
    {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    let token = paths[0].trim_start_matches("/act/");
    assert!(
        text.contains(&format!("<button formaction=\"{token}\" class=\"main\">Acknowledge</button>")),
        "{text}"
    );

    let page = press(&app, &paths[0], "name=Ann+Lee&note=I+call+%3Cb%3Ehim").await.expect(200);
    assert!(page.text().contains("Acknowledged. This stall raises no further alarms."), "{}", page.text());
    assert!(
        page.text().contains("by Ann Lee") && page.text().contains("I call &lt;b&gt;him"),
        "{}",
        page.text()
    );
    let shown = journey(&app, &id).await;
    let note = &shown["acknowledged"];
    assert_eq!(
        (&note["by"], &note["reason"], &note["via"], &note["at"]),
        (&json!("Ann Lee"), &json!("I call <b>him"), &json!("mail"), &json!("2026-11-21T10:30:00.000Z"))
    );
    app.advance(60 * MINUTE).await;
    assert_eq!(app.mails().len(), 1, "level 2 is not sent");

    // Pressed again, by somebody else: the first word stands, and the page says whose it is.
    let again = press(&app, &paths[0], "name=Bob").await.expect(200);
    assert!(
        again.text().contains("This stall was acknowledged by Ann Lee: 21 Nov 2026, 11:30 CET"),
        "{}",
        again.text()
    );
    assert_eq!(journey(&app, &id).await["acknowledged"]["by"], "Ann Lee");
    let snooze = press(&app, &paths[2], "").await.expect(200);
    assert!(snooze.text().contains("acknowledged by Ann Lee"), "{}", snooze.text());

    // What is acknowledged can still be resolved, from the same page.
    let page = open(&app, &paths[0]).await.text();
    assert!(page.contains(">Resolve</button>") && !page.contains(">Acknowledge</button>"), "{page}");
    let resolved = press(&app, &paths[1], "").await.expect(200);
    assert!(resolved.text().contains("Resolved. The journey is closed."), "{}", resolved.text());
    let shown = journey(&app, &id).await;
    assert_eq!((&shown["status"], &shown["resolved"]["by"]), (&json!("resolved"), &json!("ops@example.com")));
    for path in &paths {
        let page = open(&app, path).await.expect(200).text();
        assert!(
            page.contains("This journey was resolved by ops@example.com") && !page.contains("<form"),
            "{page}"
        );
        press(&app, path, "").await.expect(409);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snooze_is_an_hour_or_until_nine_by_the_teams_clock() {
    let app = started().await;
    let (first, mail) = stalled(&app, "u1").await;
    let path = links(&app, &mail)[2].clone();
    let page = press(&app, &path, "").await.expect(200).text();
    assert!(page.contains("21 Nov 2026, 12:30 CET"), "{page}");
    assert!(
        open(&app, &path)
            .await
            .text()
            .contains("It is snoozed by ops@example.com until 21 Nov 2026, 12:30 CET")
    );
    let (second, mail) = stalled(&app, "u2").await;
    let page = press(&app, &links(&app, &mail)[3], "name=Ann").await.expect(200).text();
    assert!(page.contains("22 Nov 2026, 09:00 CET"), "{page}");
    for (id, until) in [(first, "2026-11-21T11:30:00.000Z"), (second, "2026-11-22T08:00:00.000Z")] {
        let id = id.parse().expect("an id");
        let journey = app.engine().journey(id).await.expect("a store").expect("a journey");
        assert_eq!(journey.snoozes.last().expect("a snooze").until.to_rfc3339(), until);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_old_altered_or_of_another_server_does_nothing() {
    let app = started().await;
    let (id, mail) = stalled(&app, "u1").await;
    let path = links(&app, &mail)[0].clone();
    let last = path.chars().last().expect("a letter");
    let altered = [
        format!("{}{}", &path[..path.len() - 1], if last == 'A' { 'B' } else { 'A' }),
        path[..path.len() - 1].to_owned(),
        format!("{path}A"),
        path.to_ascii_lowercase(),
        "/act/x".to_owned(),
        format!("/act/{}", "A".repeat(5000)),
        "/act/%00%ff".to_owned(),
    ];
    for wrong in &altered {
        let shown = open(&app, wrong).await.expect(404);
        assert!(shown.text().contains("This link does not work"), "{}", shown.text());
        press(&app, wrong, "name=Eve").await.expect(404);
    }
    app.advance(7 * DAY - 30 * MINUTE - 1).await;
    open(&app, &path).await.expect(200);
    app.advance(30 * MINUTE + 1).await;
    let shown = open(&app, &path).await.expect(410);
    assert!(shown.text().contains("This link is over") && !shown.text().contains("u1"), "{}", shown.text());
    press(&app, &path, "name=Eve").await.expect(410);
    let shown = journey(&app, &id).await;
    assert_eq!((&shown["acknowledged"], &shown["resolved"]), (&Value::Null, &Value::Null));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_who_nobody_named() {
    let app = started().await;
    let (id, _) = stalled(&app, "u1").await;
    app.advance(30 * MINUTE).await;
    let mail = plain(&app.mails().pop().expect("the second mail").1);
    let path = links(&app, &mail)[0].clone();
    assert!(open(&app, &path).await.text().contains("name=\"name\" value=\"\""), "it went to two");
    press(&app, &path, "").await.expect(200);
    assert_eq!(journey(&app, &id).await["acknowledged"]["by"], "one of boss@example.com, ops@example.com");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_load_embed_and_tell_nothing() {
    let app = started().await;
    let (_, mail) = stalled(&app, "u1").await;
    for path in [links(&app, &mail)[0].as_str(), "/act/nonsense"] {
        let got = open(&app, path).await;
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("x-robots-tag", "noindex, nofollow"),
        ] {
            assert_eq!(got.header(name), value, "{path}: {name}");
        }
        let policy = got.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(
            policy.contains("form-action 'self'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        let html = got.text();
        // The policy lets no other style through, so there must be none.
        assert_eq!((html.matches("<style").count(), html.matches("style=").count()), (1, 0), "{html}");
        assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("http"), "{html}");
        let head = send(app.request("HEAD", path)).await;
        assert_eq!((head.status, head.bytes.len()), (got.status, 0));
        let other = send(app.request("DELETE", path)).await.expect(405);
        assert_eq!(other.header("allow"), "GET, HEAD, POST");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_posted_is_escaped_on_the_page() {
    let app = started().await;
    let (_, mail) = stalled(&app, "<script>alert(1)</script>\"'").await;
    let page = open(&app, &links(&app, &mail)[0]).await.text();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_are_bounded() {
    let app = started().await;
    let (id, mail) = stalled(&app, "u1").await;
    let path = links(&app, &mail)[0].clone();
    press(&app, &path, &format!("name={}", "x".repeat(256))).await.expect(400);
    press(&app, &path, &format!("note={}", "x".repeat(1001))).await.expect(400);
    press(&app, &path, &"x".repeat(17 * 1024)).await.expect(413);
    assert_eq!(journey(&app, &id).await["acknowledged"], Value::Null);
    press(&app, &path, &format!("name={}&note={}", "%C3%A9".repeat(255), "x".repeat(1000))).await.expect(200);
    assert_eq!(journey(&app, &id).await["acknowledged"]["by"], "é".repeat(255));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_that_moved_on_says_so() {
    let app = started().await;
    let (id, mail) = stalled(&app, "u1").await;
    post_stage(&app, "u1", "reminded").await;
    let path = links(&app, &mail)[0].clone();
    let page = open(&app, &path).await.expect(200).text();
    assert!(page.contains("has moved on since") && page.contains("reminded"), "{page}");
    assert!(page.contains(">Resolve</button>") && !page.contains(">Acknowledge</button>"), "{page}");
    // The word on an old stall does not silence the next one.
    press(&app, &path, "").await.expect(409);
    press(&app, &links(&app, &mail)[2], "").await.expect(409);
    // Nor where it moved on while the button was pressed.
    let told_at = Some(app.now());
    let until = app.now().plus("1h".parse().expect("a span"));
    for operation in [Operation::Acknowledge { told_at }, Operation::Snooze { until, told_at }] {
        let by = By { who: "ada".to_owned(), reason: String::new(), via: "mail" };
        let refused =
            app.engine().operate(id.parse().expect("an id"), operation, by).await.expect_err("over");
        assert!(refused.to_string().contains("has moved on"), "{refused}");
    }
    post_stage(&app, "u1", "confirmed").await;
    let page = open(&app, &path).await.expect(200).text();
    assert!(page.contains("This journey was completed: 21 Nov 2026, 11:30 CET"), "{page}");
    press(&app, &path, "").await.expect(409);
    assert_eq!(journey(&app, &id).await["acknowledged"], Value::Null);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_on_one_journey_are_one_thread() {
    let app = Setup::new().at("https://stagepost.example.com/at/").start().await;
    app.apply(&with_levels()).await;
    post_stage(&app, "u1", "no_reply").await;
    app.advance(30 * MINUTE).await;
    let first = app.mails();
    app.advance(30 * MINUTE).await;
    let [one, two] = [first[0].1.clone(), app.mails().pop().expect("the second").1];
    let header = |mail: &str, name: &str| {
        let prefix = format!("{name}: ");
        mail.split("\r\n").find_map(|line| line.strip_prefix(&prefix).map(str::to_owned))
    };
    let id = header(&one, "Message-ID");
    assert!(
        id.is_some() && header(&one, "In-Reply-To").is_none() && header(&one, "References").is_none(),
        "{one}"
    );
    assert_eq!((header(&two, "In-Reply-To"), header(&two, "References")), (id.clone(), id), "{two}");
    let subject = format!("u1 is stuck in {FLOW}");
    assert_eq!(header(&one, "Subject").as_deref(), Some(&*subject));
    assert_eq!(header(&two, "Subject"), Some(format!("Re: {subject}")));
    assert!(header(&one, "List-Unsubscribe").is_none(), "an alarm is nothing to be left");
    assert!(plain(&one).contains("\nhttps://stagepost.example.com/at/act/"), "{}", plain(&one));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_acknowledged_at_once_or_one_by_one() {
    let app = app().await;
    let mut document = with_levels();
    document["flow"][0]["digest"] = json!({ "more_than": 2, "within": "5m" });
    app.apply(&document).await;
    let mut ids = Vec::new();
    for user in ["u1", "u2", "u3", "u4", "<b>u5</b>"] {
        ids.push(post_stage(&app, user, "no_reply").await);
    }
    app.advance(30 * MINUTE).await;
    assert!(app.mails().is_empty(), "it is not clear yet how many there are");
    app.advance(5 * MINUTE).await;
    let mails = app.mails();
    assert_eq!(mails.len(), 1);
    let mail = plain(&mails[0].1);
    let all = links(&app, &mail)[0].clone();
    let one = mail.lines().find_map(|line| line.strip_prefix("  acknowledge: ")).expect("a link for each");
    let page = open(&app, &all).await.expect(200).text();
    for part in ["Acknowledge all 5", "&lt;b&gt;u5&lt;/b&gt;", "no_reply", "ops@example.com", "11:30 CET"] {
        assert!(page.contains(part), "{part}:\n{page}");
    }
    press(&app, &one[app.base().len()..], "name=Ann").await.expect(200);
    post_stage(&app, "u4", "confirmed").await;
    let done = press(&app, &all, "name=Bob&note=the+clinic+is+closed").await.expect(200).text();
    let said = "4 journeys raise no further alarms of this stall. One had moved on since, or was closed.";
    assert!(done.contains(said), "{done}");
    assert_eq!(journey(&app, &ids.remove(3)).await["acknowledged"], Value::Null);
    let mut by = Vec::new();
    for id in &ids {
        by.push(journey(&app, id).await["acknowledged"]["by"].as_str().expect("somebody").to_owned());
    }
    by.sort_unstable();
    assert_eq!(by, ["Ann", "Bob", "Bob", "Bob"]);
    press(&app, &all, "name=Eve").await.expect(200);
    assert_eq!(journey(&app, &ids[1]).await["acknowledged"]["by"], "Bob", "the first word stands");
    app.advance(60 * MINUTE).await;
    assert_eq!(app.mails().len(), 1, "level 2 is not sent");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_ends_for_the_one_who_wants_no_more() {
    let app = app().await;
    let mut document = with_levels();
    document["team"][0]["summary"] = json!({ "at": "12:00", "to": ["ann@example.com", "bob@example.com"] });
    app.apply(&document).await;
    stalled(&app, "u1").await;
    app.advance_to("2026-11-21T11:00:01.000Z").await;
    let summaries = || {
        let mails = app.mails().into_iter().map(|(_, mail)| mail);
        mails.filter(|mail| mail.contains("Subject: desk: ")).collect::<Vec<_>>()
    };
    let both = summaries();
    assert_eq!(both.len(), 2);
    let ann = both.iter().find(|mail| mail.contains("To: ann@example.com")).expect("Ann's");
    assert!(ann.contains("Content-Type: image/png") && plain(ann).contains("Stalled         1"), "{ann}");
    let header = ann.split("List-Unsubscribe: <").nth(1).expect("a way out");
    let path = &header[app.base().len()..header.find('>').expect("its end")];
    let page = open(&app, path).await.expect(200).text();
    assert!(page.contains("ann@example.com") && page.contains("desk"), "{page}");
    for _ in 0..2 {
        let done = press(&app, path, "List-Unsubscribe=One-Click").await.expect(200).text();
        assert!(done.contains("ann@example.com gets no more daily summaries of desk."), "{done}");
    }
    app.advance_to("2026-11-22T11:00:01.000Z").await;
    let to: Vec<bool> = summaries().iter().map(|mail| mail.contains("To: ann@example.com")).collect();
    assert_eq!(to.iter().filter(|ann| **ann).count(), 1, "only yesterday's");
    assert_eq!(to.len(), 3, "Bob still gets his");
    app.finish().await;
}
