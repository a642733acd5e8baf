//! The console's pages on flows: what goes on in each, its ladder in words, and the editor.

use serde_json::{Value, json};
use stagepost::domain::people::Role;

use crate::app::TestApp;
use crate::console_journeys::{Browser, between};
use crate::studio::{FLOW, body, definitions, post_stage, studio};

const EDIT: &str = "/console/flows/appointment_confirmation/edit";

/// The definition that is in force.
async fn flow(app: &TestApp) -> Value {
    app.get(&format!("/api/flows/{FLOW}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_are_listed_with_those_that_nobody_defined() {
    let app = studio().await;
    let mut post = body("u1", "hello");
    post["flow"] = "new \"<b>flow</b>\"/1".into();
    app.post_json("/studio/wk_studio", &post).await.expect(200);
    post_stage(&app, "u1", "initiation").await;
    let ann = Browser::of(&app, Role::Admin).await;
    let page = ann.page("/console/flows").await;
    assert!(page.contains("new &quot;&lt;b&gt;flow&lt;/b&gt;&quot;/1"), "{page}");
    let place = between(&page, "<a class=\"button\" href=\"/console/flows/new", "\"");
    let got = ann.page(&format!("/console/flows/new{place}")).await;
    assert!(got.contains("Define new &quot;&lt;b&gt;"), "{got}");
    let got = ann
        .send(&format!("/console/flows/new{place}"), &[("do", "save"), ("terminal", "bye")])
        .await
        .expect(303);
    assert_eq!(
        got.header("location"),
        format!("/console/flows/new{}?said=flow_saved", place.trim_end_matches("/edit"))
    );
    assert_eq!(app.get("/api/flows").await["flows"][1]["terminal"], json!(["bye"]));
    ann.get("/console/flows/unheard-of").await.expect(404);
    let viewer = Browser::of(&app, Role::Operator).await;
    assert!(!viewer.page("/console/flows").await.contains("/edit\""));
    viewer.get(EDIT).await.expect(403);
    viewer.send(EDIT, &[("do", "save")]).await.expect(403);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_tells_how_its_journeys_fare() {
    let app = studio().await;
    for (user, stages) in [
        ("a", &["initiation", "asked", "confirmed"][..]),
        ("b", &["initiation", "asked"]),
        ("c", &["initiation"]),
    ] {
        for stage in stages {
            post_stage(&app, user, stage).await;
            app.advance(60_000).await;
        }
    }
    // Another run takes the place of this one, which was asked and said nothing.
    post_stage(&app, "b", "initiation").await;
    let ann = Browser::of(&app, Role::Viewer).await;
    let page = ann.page(&format!("/console/flows/{FLOW}")).await;
    let funnel = between(&page, "<ol class=\"funnel\">", "</ol>");
    let shares: Vec<&str> = funnel.split("<b>").skip(1).map(|rest| between(rest, "</b> · ", " %")).collect();
    assert_eq!(shares, ["100.0", "50.0", "25.0"], "{funnel}");
    assert_eq!(funnel.matches("about 1 min after the stage before").count(), 2, "{funnel}");
    let lost: Vec<bool> = funnel.split("<li>").skip(1).map(|stage| stage.contains("1 ended here")).collect();
    assert_eq!(lost, [false, true, false], "{funnel}");
    assert!(page.contains("<b>2</b><span>active") && page.contains("<b>1</b><span>completed"), "{page}");
    assert!(between(&page, "How journeys ended", "</section>").contains("completed: 1"), "{page}");
    assert!(ann.page("/console/flows").await.contains("4 journeys began in the last 14 days"));
    app.finish().await;
}

/// The page and the API tell of the same journeys, however late those come how far.
#[tokio::test(flavor = "multi_thread")]
async fn a_funnel_of_some_days_is_about_the_journeys_of_those_days() {
    let app = studio().await;
    for user in ["a", "b"] {
        post_stage(&app, user, "initiation").await;
    }
    app.advance(29 * 86_400_000).await;
    post_stage(&app, "c", "initiation").await;
    // Both belong to journeys that were first seen 31 days ago, and 2 days ago.
    app.advance(86_400_000 - 3_600_000).await;
    post_stage(&app, "a", "confirmed").await;
    app.advance(86_400_000).await;
    post_stage(&app, "c", "confirmed").await;
    let from = stagepost::domain::figures::Grain::Day
        .start_of(app.now())
        .minus(stagepost::domain::time::Span::from_days(29));
    let told = app.get(&format!("/api/flows/{FLOW}/funnel?from={}", from.to_rfc3339())).await;
    assert_eq!((&told["journeys"], &told["stages"][1]["share"]), (&json!(1), &json!(1.0)));
    let page = Browser::of(&app, Role::Viewer).await.page(&format!("/console/flows/{FLOW}")).await;
    let funnel = between(&page, "<ol class=\"funnel\">", "</ol>");
    let counts: Vec<&str> = funnel.split("<b>").skip(1).map(|rest| between(rest, "", "</b>")).collect();
    assert_eq!(counts, ["1", "1"], "{funnel}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ladder_is_built_level_by_level_and_nothing_is_lost_on_the_way() {
    let app = studio().await;
    let ann = Browser::of(&app, Role::Admin).await;
    let mut fields = vec![
        ("initial", "initiation"),
        ("terminal", "confirmed\r\ncancelled"),
        ("expire_after", "7d"),
        ("0.stage", "no_reply"),
        ("0.after", "8d"),
        ("0.outside", "send"),
        ("0.every", ""),
        ("0.times", "3"),
        ("0.a.0.channel", "email"),
        ("0.a.0.to", "ops@example.com\nnot an address"),
        ("0.a.0.template", "no_reply"),
        ("0.a.0.text", "kept <while> it is a mail"),
    ];
    let send = async |fields: &[(&'static str, &'static str)], button: &'static str| {
        ann.send(EDIT, &[fields, &[("do", button)]].concat()).await
    };
    for (button, there) in [
        ("add", "name=\"1.a.0.channel\""),
        ("action 0", "name=\"0.a.1.channel\""),
        ("instead 0", "name=\"0.i.0.channel\""),
        ("show", "name=\"0.stage\""),
        ("", "name=\"0.stage\""),
    ] {
        let page = send(&fields, button).await.expect(200).text();
        assert!(page.contains(there), "{button}: {page}");
        for kept in ["value=\"8d\"", "not an address", "kept &lt;while&gt; it is a mail"] {
            assert!(page.contains(kept), "{button}: {kept}");
        }
    }
    assert!(!send(&fields, "remove 0").await.expect(200).text().contains("name=\"0.stage\""));
    assert_eq!(flow(&app).await["escalation"], json!([]), "nothing holds before it is saved");
    let page = send(&fields, "save").await.expect(422).text();
    for (field, fault) in [
        ("0.after", "must be less than the flow&#39;s expire_after"),
        ("0.outside", "has no meaning without the flow&#39;s `team`"),
        ("0.every", "is missing"),
        ("0.a.0.to", "Line 2: "),
    ] {
        let beside = between(&page, &format!("id=\"f-{field}-hint\""), "</div>");
        assert!(beside.contains(fault), "{field}: {beside}");
        assert!(
            between(&page, &format!("id=\"f-{field}\""), ">").contains("aria-invalid=\"true\""),
            "{field}"
        );
    }
    for (name, value) in
        [("0.after", "30m"), ("0.outside", "wait"), ("0.times", ""), ("0.a.0.to", "on_call:ops")]
    {
        let field = fields.iter_mut().find(|(known, _)| *known == name).expect("a field");
        field.1 = value;
    }
    // What is not there is known only when it is put in force.
    let page = send(&fields, "save").await.expect(422).text();
    assert!(
        between(&page, "<fieldset class=\"card level\"", "</fieldset>").contains("there is no team `ops`"),
        "{page}"
    );
    for bad in ["no such", "digest2"] {
        let fields = [
            &fields[..],
            &[
                ("1.stage", "x"),
                ("1.after", "1h"),
                ("1.outside", ""),
                ("1.a.0.channel", "email"),
                ("1.a.0.to", "a@example.com"),
            ],
            &[("1.a.0.template", bad)],
        ]
        .concat();
        let page = ann.send(EDIT, &[&fields[..], &[("do", "save")]].concat()).await.expect(422).text();
        assert!(between(&page, "id=\"f-1.a.0.template-hint\"", "</div>").contains("wrong"), "{bad}: {page}");
    }
    fields.iter_mut().find(|(known, _)| *known == "0.a.0.to").expect("a field").1 = "ops@example.com";
    let got = send(&fields, "save").await.expect(303);
    assert_eq!(got.header("location"), format!("/console/flows/{FLOW}?said=flow_saved"));
    let saved = flow(&app).await;
    assert_eq!(saved["expire_after"], "7d");
    assert_eq!(
        saved["escalation"],
        json!([{ "stage": "no_reply", "after": "30m", "channel": "email", "to": ["ops@example.com"], "template": "no_reply" }])
    );
    let page = ann.page(&format!("/console/flows/{FLOW}")).await;
    assert!(page.contains("mail to ops@example.com (template no_reply)"), "{page}");
    let by = app.get("/api/audit").await["entries"][0]["by"].clone();
    assert_eq!(by, "admin@example.com");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_form_does_not_show_stays() {
    let app = studio().await;
    let mut document = definitions();
    document["flow"][0]["widgets"] = json!({ "ask": "asked" });
    app.apply(&document).await;
    let ann = Browser::of(&app, Role::Admin).await;
    ann.send(
        EDIT,
        &[("do", "save"), ("initial", "initiation"), ("terminal", "confirmed"), ("expire_after", "2d")],
    )
    .await
    .expect(303);
    let saved = flow(&app).await;
    assert_eq!((&saved["widgets"], &saved["expire_after"]), (&json!({ "ask": "asked" }), &json!("2d")));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_are_shown_as_they_will_be_in_a_frame_that_can_do_nothing() {
    let app = studio().await;
    let mut document = definitions();
    document["team"] = json!([{ "key": "ops", "time_zone": "Europe/Brussels", "hours": [{ "days": "mon-fri", "from": "08:00", "until": "18:00" }] }]);
    document["flow"][0]["team"] = "ops".into();
    let mail = |to: &str| json!({ "channel": "email", "to": [to], "template": "no_reply" });
    document["flow"][0]["escalation"] = json!([
        { "stage": "no_reply", "after": "2h", "actions": [mail("a@example.com")], "after_hours": [mail("b@example.com")], "repeat": { "every": "1h", "times": 2 } },
    ]);
    app.apply(&document).await;
    let ann = Browser::of(&app, Role::Viewer).await;
    let page = ann.page(&format!("/console/flows/{FLOW}")).await;
    for words in
        ["Mon–Fri 08:00–18:00", "Outside the team&#39;s hours, instead:", "Again every 1 hour, up to 2 times"]
    {
        assert!(page.contains(words), "{words} in {page}");
    }
    assert!(page.contains("has not replied for 2 hours"), "the text stands beside the frame: {page}");
    let source = between(&page, "<iframe class=\"mail\" src=\"", "\"").replace("&amp;", "&");
    let mail = ann.get(&source).await.expect(200);
    assert!(mail.header("content-security-policy").starts_with("sandbox; default-src 'none'"));
    assert_eq!(mail.header("x-frame-options"), "SAMEORIGIN");
    assert!(mail.text().contains("<html") && mail.text().contains("has not replied"), "{}", mail.text());
    let odd = format!("/console/flows/{FLOW}/preview?template=../act/frame&stage=%3Cscript%3E");
    assert_eq!(ann.get(&odd).await.expect(422).header("content-type"), "text/plain; charset=utf-8");
    let hostile =
        ann.get("/console/flows/%3Cscript%3E/preview?template=no_reply&stage=%3Cscript%3E&level=x").await;
    assert!(!hostile.expect(200).text().contains("<script>"));
    assert!(ann.page("/console/teams").await.contains("Mon–Fri 08:00–18:00"));
    app.finish().await;
}
