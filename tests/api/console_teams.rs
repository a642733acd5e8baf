//! Teams in the console: the editor of their hours, holidays and rota, and what deleting one comes to.

use serde_json::json;
use stagepost::domain::people::Role;

use crate::app::{TestApp, app};
use crate::console_journeys::Browser;
use crate::studio::definitions;

/// A server with a team that a flow goes by, and one that nobody names.
async fn teams() -> TestApp {
    let app = app().await;
    let mut document = definitions();
    document["team"] = json!([
        {
            "key": "ops", "time_zone": "Europe/Brussels",
            "hours": [{ "days": "mon-fri", "from": "08:00", "until": "18:00" }],
            "holidays": ["2026-12-25"],
            "on_call": [{ "from": "18:00", "until": "08:00", "name": "Ada <b>", "email": "ada@example.com", "phone": "+32470123456" }],
            "summary": { "at": "08:00", "days": "mon-fri", "to": ["ops@example.com"] },
        },
        { "key": "idle", "time_zone": "UTC", "summary": { "at": "08:00", "to": ["idle@example.com"] } },
    ]);
    document["flow"][0]["team"] = "ops".into();
    app.apply(&document).await;
    app
}

/// What the form of a team sends besides the button.
const FILLED: [(&str, &str); 15] = [
    ("time_zone", "America/New_York"),
    ("holidays", "2027-01-01\r\n2027-07-04"),
    ("hours.0.days", "mon"),
    ("hours.0.days", "wed"),
    ("hours.0.from", "09:30"),
    ("hours.0.until", ""),
    ("on_call.0.days", "sun"),
    ("on_call.0.from", ""),
    ("on_call.0.until", "12:00"),
    ("on_call.0.name", "Bob"),
    ("on_call.0.email", "bob@example.com\r\nbobby@example.com"),
    ("on_call.0.phone", ""),
    ("summary.at", ""),
    ("summary.to", ""),
    ("summary.flows", ""),
];

fn with<'f>(more: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let kept = FILLED.iter().filter(|(name, _)| !more.iter().any(|(changed, _)| changed == name));
    more.iter().chain(kept).copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_is_made_changed_and_shown() {
    let app = teams().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let page = admin.page("/console/teams").await;
    assert!(page.contains("/console/teams/new") && page.contains("/console/teams/ops/edit"), "{page}");
    let empty = admin.page("/console/teams/new").await;
    assert!(empty.contains("<option value=\"Europe/Brussels\">") && empty.contains("name=\"hours.0.from\""));

    let made = admin.send("/console/teams/new", &with(&[("do", "save"), ("key", "care")])).await.expect(303);
    assert_eq!(made.header("location"), "/console/teams?said=saved");
    let care = app.get("/api/teams/care").await;
    assert_eq!(care["time_zone"], "America/New_York");
    assert_eq!(care["holidays"], json!(["2027-01-01", "2027-07-04"]));
    let team = &app.engine().definitions().teams["care"];
    let hours = &team.hours[0];
    assert_eq!(
        (hours.days.len(), hours.from.to_string(), hours.until.to_string()),
        (2, "09:30:00".to_owned(), "00:00:00".to_owned())
    );
    assert_eq!(team.on_call[0].email, ["bob@example.com", "bobby@example.com"]);
    assert!(team.summary.is_none());

    // What is there comes back from its form, whatever is in it.
    let before = app.get("/api/teams/ops").await;
    let page = admin.page("/console/teams/ops/edit").await;
    assert!(page.contains("Ada &lt;b&gt;") && !page.contains("Ada <b>"), "{page}");
    assert!(page.contains("value=\"18:00\"") && page.contains("2026-12-25"), "{page}");
    let summary = [("summary.at", "07:15"), ("summary.days", "sat"), ("summary.to", "boss@example.com")];
    let fields = with(&[&[("do", "save")], &summary[..]].concat());
    admin.send("/console/teams/ops/edit", &fields).await.expect(303);
    let after = app.get("/api/teams/ops").await;
    assert_eq!(after["createdAt"], before["createdAt"]);
    assert_eq!(after["summary"]["at"], "07:15");
    assert!(admin.page("/console/teams").await.contains("07:15, Sat: boss@example.com"));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost() {
    let app = teams().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let place = "/console/teams/new";
    let added = admin.send(place, &with(&[("do", "add on_call"), ("key", "care")])).await.expect(200).text();
    assert!(added.contains("name=\"on_call.1.from\"") && added.contains("value=\"care\""), "{added}");
    let dropped =
        admin.send(place, &with(&[("do", "drop hours.0"), ("key", "care")])).await.expect(200).text();
    assert!(!dropped.contains("name=\"hours.0.from\""), "{dropped}");
    assert!(!app.engine().definitions().teams.contains_key("care"), "nothing is saved by that");

    let wrong = [
        ("do", "save"),
        ("key", "ops"),
        ("time_zone", "Mars/<i>"),
        ("holidays", "2027-01-01\ntomorrow"),
        ("on_call.0.email", ""),
    ];
    let page = admin.send(place, &with(&wrong)).await.expect(422).text();
    for said in [
        "There is one with this key",
        "is not the name of a time zone",
        "Line 2: is not a day",
        "names nobody who could be reached",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(page.contains("Mars/&lt;i&gt;") && !page.contains("Mars/<i>"), "{page}");
    let no_day: Vec<_> = with(&[("do", "save"), ("key", "care")])
        .into_iter()
        .filter(|(name, _)| *name != "hours.0.days")
        .collect();
    assert!(admin.send(place, &no_day).await.expect(422).text().contains("name at least one day"));
    let flows = with(&[("do", "save"), ("key", "care"), ("summary.flows", "none")]);
    assert_eq!(admin.send(place, &flows).await.status, 422, "a summary has a time and somebody who gets it");
    assert!(!app.engine().definitions().teams.contains_key("care"));

    let operator = Browser::of(&app, Role::Operator).await;
    assert!(!operator.page("/console/teams").await.contains("/edit\""));
    for place in ["/console/teams/new", "/console/teams/ops/edit", "/console/teams/ops/delete"] {
        assert_eq!(operator.get(place).await.status, 403, "{place}");
        assert_eq!(operator.send(place, &FILLED).await.status, 403, "{place}");
    }
    assert_eq!(admin.send_without_csrf(place, &with(&[("do", "save"), ("key", "care")])).await.status, 400);
    assert_eq!(admin.get("/console/teams/none/edit").await.status, 404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_goes_when_no_flow_names_it() {
    let app = teams().await;
    let admin = Browser::of(&app, Role::Admin).await;
    let page = admin.page("/console/teams/ops/delete").await;
    assert!(page.contains("team `ops` is still named by") && !page.contains("Delete this team"), "{page}");
    let refused = admin.send("/console/teams/ops/delete", &[]).await.expect(409).text();
    assert!(refused.contains("team `ops` is still named by"), "{refused}");

    let page = admin.page("/console/teams/idle/delete").await;
    assert!(page.contains("idle@example.com") && page.contains("Delete this team"), "{page}");
    let gone = admin.send("/console/teams/idle/delete", &[]).await.expect(303);
    assert_eq!(gone.header("location"), "/console/teams?said=removed");
    assert!(!admin.page("/console/teams").await.contains("idle"));
    app.finish().await;
}
