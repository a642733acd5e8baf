//! The console's pages of audiences and computed traits: lists, each one, the editor's two sides, previews, deleting.

use serde_json::{Value, json};

use stagepost::domain::people::Role;
use stagepost::engine::NewPerson;

use crate::app::{TestApp, app};
use crate::http::{Got, send};

/// What a hostile sender would put everywhere.
const HOSTILE: &str = "<script>alert('x')</script>\"&";

/// Somebody at the console.
struct Visitor<'a> {
    app: &'a TestApp,
    cookie: String,
    csrf: String,
}

async fn visitor(app: &TestApp, role: Role) -> Visitor<'_> {
    let person = NewPerson {
        email: format!("{}@example.com", role.as_str()),
        name: "Somebody".to_owned(),
        role,
        password: "correct horse battery staple".to_owned(),
    };
    let person = app.engine().add_person(person).await.expect("a person");
    let secret = app.engine().begin_session(person.id).await.expect("a session");
    let mut visitor = Visitor { app, cookie: format!("stagepost_session={secret}"), csrf: String::new() };
    let page = visitor.page("/console/audiences").await;
    visitor.csrf = between(&page, "name=\"csrf\" value=\"", "\"").to_owned();
    visitor
}

impl Visitor<'_> {
    async fn get(&self, path: &str) -> Got {
        send(self.app.request("GET", path).header("cookie", &self.cookie)).await
    }

    async fn page(&self, path: &str) -> String {
        self.get(path).await.expect(200).text()
    }

    /// Posts a form as a browser does: without following where it leads.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Got {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("csrf", &self.csrf).extend_pairs(fields);
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.build().expect("an HTTP client");
        let request = client.post(format!("{}{path}", self.app.base())).header("cookie", &self.cookie);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let got = send(request.body(body.finish())).await;
        self.app.rest().await;
        got
    }

    /// Presses a button of the editor.
    async fn press(&self, path: &str, button: &str, fields: &[(&str, &str)]) -> Got {
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("do", button)]).collect();
        self.post(path, &fields).await
    }
}

/// What stands between two texts, the first time.
#[track_caller]
fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} after {before}")).0
}

/// The query in the editor's text.
fn query(page: &str) -> String {
    let text = between(page, "id=\"f-query\"", "</textarea>").split_once('>').expect("a textarea").1;
    text.replace("&#39;", "'")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#x2f;", "/")
        .replace("&lt;", "<")
}

/// What is wrong with a field.
fn wrong<'p>(page: &'p str, field: &str) -> &'p str {
    between(page, &format!("id=\"e-{field}\">"), "</span>")
}

/// How both sides were when the page was made.
fn was(page: &str) -> [(&str, &str); 2] {
    let value = |name: &str| between(page, &format!("name=\"{name}\" value=\""), "\"");
    [("query_was", value("query_was")), ("form_was", value("form_was"))]
}

/// The form of whoever bought for so much within 30 days.
const BUYERS: [(&str, &str); 12] = [
    ("form", "shown"),
    ("join", "all"),
    ("g0.join", "all"),
    ("g0.c0.kind", "events"),
    ("g0.c0.event", "Bought"),
    ("g0.c0.measure", "sum"),
    ("g0.c0.property", "total"),
    ("g0.c0.period", "within"),
    ("g0.c0.far", "30"),
    ("g0.c0.unit", "days"),
    ("g0.c0.op", "at_least"),
    ("g0.c0.value", "100"),
];
const BUYERS_QUERY: &str = "event('Bought').within(30 days).sum(property('total')) >= 100";

async fn shop() -> TestApp {
    let app = app().await;
    app.apply(&json!({ "source": [{ "key": "web", "kind": "http", "write_key": "wk_website" }] })).await;
    for (user, total) in [("u1", 120), ("u2", 30), ("u3", 300)] {
        track(&app, user, "Bought", json!({ "total": total })).await;
    }
    app
}

async fn track(app: &TestApp, user: &str, event: &str, properties: Value) {
    let body = json!({ "userId": user, "event": event, "properties": properties, "writeKey": "wk_website" });
    app.post_json("/v1/track", &body).await.expect(200);
    app.rest().await;
}

async fn define(app: &TestApp, kind: &str, name: &str, query: &str) {
    app.call("POST", &format!("/api/{kind}"), Some(&json!({ "name": name, "query": query })))
        .await
        .expect(201);
    app.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_is_made_in_the_form_and_its_members_are_seen() {
    let app = shop().await;
    let marketer = visitor(&app, Role::Marketer).await;
    let list = marketer.page("/console/audiences").await;
    assert!(list.contains("No audience yet") && list.contains("/console/audiences/new"), "{list}");

    let empty = marketer.page("/console/audiences/new").await;
    assert!(
        empty.contains("<option value=\"Bought\">") && empty.contains("<option value=\"total\">"),
        "names that were seen"
    );
    let named = [
        ("name", "Big Spenders"),
        ("description", "Spend a lot."),
        ("enabled", "true"),
        ("emit", "identify"),
    ];
    let filled: Vec<_> = named.into_iter().chain(BUYERS).chain(was(&empty)).collect();
    let page = marketer.press("/console/audiences/new", "to-text", &filled).await.expect(200).text();
    assert_eq!(query(&page), BUYERS_QUERY);
    assert!(page.contains("<code>big_spenders</code>"), "{page}");

    // What the form says is saved, though nobody took it over into the text.
    let saved = marketer.press("/console/audiences/new", "save", &filled).await.expect(303);
    assert_eq!(saved.header("location"), "/console/audiences/big_spenders?said=saved");
    let audience = app.get("/api/audiences/big_spenders").await;
    assert_eq!((&audience["query"], &audience["size"]), (&json!(BUYERS_QUERY), &json!(2)));
    assert_eq!((&audience["description"], &audience["status"]), (&json!("Spend a lot."), &json!("live")));

    let page = marketer.page("/console/audiences/big_spenders?said=saved").await;
    for shown in
        ["Saved.", "Spend a lot.", "/console/users/u1", "/console/users/u3", "event(&#39;Bought&#39;)"]
    {
        assert!(page.contains(shown), "{shown} in {page}");
    }
    assert!(!page.contains("/console/users/u2"));
    let list = marketer.page("/console/audiences?q=SPEND&status=live").await;
    assert!(list.contains("Big Spenders") && list.contains("class=\"spark\""), "{list}");
    assert!(!marketer.page("/console/audiences?q=other").await.contains("Big Spenders"));

    let file = marketer.get("/console/audiences/big_spenders/members.csv").await.expect(200);
    assert_eq!(
        file.text().lines().map(|line| line.split(',').next().unwrap()).collect::<Vec<_>>(),
        ["user_id", "u1", "u3"]
    );
    for (user, answer) in
        [("u1", "is in"), ("u2", "has never been in"), ("nobody", "Nobody is known under the id nobody.")]
    {
        let page = marketer.page(&format!("/console/audiences/big_spenders?user={user}")).await;
        assert!(between(&page, "id=\"members\"", "<table").contains(answer), "{user}: {page}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_side_of_the_editor_follows_the_other() {
    let app = shop().await;
    define(&app, "audiences", "Vip", "trait('plan') = 'pro'").await;
    let marketer = visitor(&app, Role::Marketer).await;
    let place = "/console/audiences/new";
    let empty = marketer.page(place).await;
    let with = |query: &'static str| -> Vec<(&str, &str)> {
        [("name", "X"), ("query", query)].into_iter().chain(was(&empty)).collect()
    };

    let text = "(event('Seen').count() > 2 OR trait('vip') = true) AND NOT trait('plan').one_of('a, b', 'c')";
    let page = marketer.press(place, "to-form", &with(text)).await.expect(200).text();
    assert_eq!(query(&page), text);
    for shown in [
        "name=\"g0.c0.event\"",
        "value=\"Seen\"",
        "name=\"g0.c1.audience\"",
        "name=\"g1.c0.trait\"",
        "&#39;a, b&#39;, c",
    ] {
        assert!(page.contains(shown), "{shown} in {page}");
    }

    let page = marketer
        .press(place, "to-form", &with("event('Seen').cuont() > 2\n  AND x"))
        .await
        .expect(422)
        .text();
    let told = between(&page, "id=\"text-wrong\"", "</div>");
    assert!(told.contains("line 1, column 15") && told.contains("did you mean"), "{told}");
    assert!(told.contains("event(&#39;Seen&#39;).cuont() &gt; 2\n              ^</pre>"), "{told}");

    let page = marketer.press(place, "to-form", &with("ANY trait('x') = 1")).await.expect(200).text();
    assert!(
        page.contains("This query says more than the form can show") && page.contains("value=\"anew\""),
        "{page}"
    );
    assert!(!page.contains("name=\"form\""));

    // Both sides were changed, and say different things: nobody is overruled.
    let both: Vec<_> =
        [("name", "X"), ("query", "trait('x') = 1")].into_iter().chain(BUYERS).chain(was(&empty)).collect();
    let page = marketer.press(place, "save", &both).await.expect(422).text();
    assert!(between(&page, "id=\"text-wrong\"", "</div>").contains("both changed"), "{page}");
    assert_eq!(query(&marketer.press(place, "to-text", &both).await.expect(200).text()), BUYERS_QUERY);
    assert_eq!(query(&marketer.press(place, "to-form", &both).await.expect(200).text()), "trait('x') = 1");

    let page = marketer.press(place, "add-trait:0", &both).await.expect(200).text();
    assert!(page.contains("name=\"g0.c1.trait\"") && wrong(&page, "g0.c1.trait").is_empty(), "{page}");
    let page = marketer.press(place, "remove:0.0", &both).await.expect(200).text();
    assert!(!page.contains("name=\"g0.join\""), "{page}");
    assert!(
        app.get("/api/audiences").await["audiences"].as_array().unwrap().len() == 1,
        "nothing was stored"
    );
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_stands_beside_its_field() {
    let app = shop().await;
    define(&app, "audiences", "Vip", "trait('plan') = 'pro'").await;
    let marketer = visitor(&app, Role::Marketer).await;
    let place = "/console/audiences/new";
    let empty = marketer.page(place).await;
    let blank: Vec<_> = [
        ("name", ""),
        ("form", "shown"),
        ("g0.join", "all"),
        ("g0.c0.kind", "events"),
        ("g0.c0.op", "at_least"),
    ]
    .into_iter()
    .chain([("g0.c0.period", "within"), ("g0.c0.far", "many"), ("g0.c0.value", "lots"), ("history", "last")])
    .chain([("history_span", "a while"), ("destinations", "nowhere")])
    .chain(was(&empty))
    .collect();
    let page = marketer.press(place, "save", &blank).await.expect(422).text();
    for (field, told) in [
        ("g0.c0.event", "is missing"),
        ("g0.c0.far", "is a whole number"),
        ("g0.c0.value", "is compared with a number"),
        ("history", "is not a duration"),
    ] {
        assert!(wrong(&page, field).contains(told), "{field}: {page}");
    }
    assert!(
        page.contains("value=\"many\"") && page.contains("value=\"a while\""),
        "what was typed is there still"
    );
    assert!(between(&page, "id=\"f-name\"", "</div>").contains("class=\"wrong\""), "{page}");

    let unknown: Vec<_> =
        [("name", "New"), ("query", "trait('x') = 1"), ("destinations", "nowhere"), ("emit", "identify")]
            .into_iter()
            .chain(was(&empty))
            .collect();
    let page = marketer.press(place, "save", &unknown).await.expect(422).text();
    assert!(wrong(&page, "destinations").contains("there is no destination `nowhere`"), "{page}");

    let taken: Vec<_> = [("name", "VIP"), ("query", "trait('x') = 1"), ("emit", "identify")]
        .into_iter()
        .chain(was(&empty))
        .collect();
    let page = marketer.press(place, "save", &taken).await.expect(422).text();
    assert!(page.contains("There is one with the key vip already"), "{page}");
    assert_eq!(app.get("/api/audiences/vip").await["query"], "trait('plan') = 'pro'");

    // An audience that asks about itself is refused where its query stands.
    let edit = marketer.page("/console/audiences/vip/edit").await;
    let circle: Vec<_> =
        [("name", "Vip"), ("query", "trait('vip') = true"), ("enabled", "true"), ("emit", "identify")]
            .into_iter()
            .chain([("query_was", "trait('plan') = 'pro'"), was(&edit)[1]])
            .collect();
    let page = marketer.press("/console/audiences/vip/edit", "save", &circle).await.expect(422).text();
    assert!(between(&page, "id=\"text-wrong\"", "</div>").contains("cycle"), "{page}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_who_would_be_in_and_why() {
    let app = shop().await;
    let marketer = visitor(&app, Role::Marketer).await;
    let empty = marketer.page("/console/audiences/new").await;
    let filled: Vec<_> = [("name", "")].into_iter().chain(BUYERS).chain(was(&empty)).collect();
    let page = marketer.press("/console/audiences/new", "preview", &filled).await.expect(200).text();
    let preview = between(&page, "id=\"preview\"", "</section>");
    assert!(preview.contains("<b class=\"count\">2</b> users would be in"), "{preview}");
    assert!(preview.contains("/console/users/u3") && preview.contains("<b>300"), "{preview}");
    assert!(preview.contains("sum(property(&#39;total&#39;)) &gt;= 100"), "{preview}");
    assert_eq!(app.get("/api/audiences").await["audiences"], json!([]));

    let value = [("name", "x"), ("query", "event('Bought').count()"), ("query_was", ""), ("form_was", "")];
    let page = marketer.press("/console/traits/new", "preview", &value).await.expect(200).text();
    assert!(between(&page, "id=\"preview\"", "</section>").contains("<b class=\"count\">3</b>"), "{page}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_tells_its_consequences_first() {
    let app = shop().await;
    define(&app, "audiences", "Buyers", BUYERS_QUERY).await;
    define(&app, "audiences", "Good buyers", "trait('buyers') = true AND trait('plan') = 'pro'").await;
    let marketer = visitor(&app, Role::Marketer).await;
    let page = marketer.page("/console/audiences/buyers/delete").await;
    assert!(page.contains("/console/audiences/good_buyers") && !page.contains("class=\"danger\""), "{page}");
    assert!(marketer.page("/console/audiences/buyers").await.contains("/console/audiences/good_buyers"));
    let refused = marketer.post("/console/audiences/buyers/delete", &[]).await;
    assert_eq!(refused.status, 409, "{}", refused.text());

    let page = marketer.page("/console/audiences/good_buyers/delete").await;
    assert!(page.contains("There is nobody to be told") && page.contains("Delete this audience"), "{page}");
    let gone = marketer.post("/console/audiences/good_buyers/delete", &[("exit", "true")]).await.expect(303);
    // With nobody to be told it may be gone before the answer is made.
    let said =
        gone.header("location").strip_prefix("/console/audiences?said=").unwrap_or_default().to_owned();
    assert!(["deleting", "removed"].contains(&said.as_str()), "{said}");
    app.rest().await;
    let page = marketer.page("/console/audiences/buyers/delete").await;
    assert!(page.contains("Its 2 members are members no more."), "{page}");
    marketer.post("/console/audiences/buyers/delete", &[("exit", "false")]).await.expect(303);
    assert_eq!(app.get("/api/audiences").await["audiences"], json!([]));
    assert_eq!(marketer.get("/console/audiences/buyers").await.status, 404);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn computed_traits_have_the_same_pages() {
    let app = shop().await;
    let marketer = visitor(&app, Role::Marketer).await;
    let empty = marketer.page("/console/traits/new").await;
    assert!(empty.contains("It yields a number.") && empty.contains("value=\"session\""), "{empty}");
    let filled: Vec<_> = [("name", "Spent"), ("emit", "identify"), ("enabled", "true"), ("form", "shown")]
        .into_iter()
        .chain([("v.event", "Bought"), ("v.measure", "sum"), ("v.property", "total"), ("v.period", "ever")])
        .chain([("v.f0.path", "total"), ("v.f0.op", "at_least"), ("v.f0.value", "100")])
        .chain(was(&empty))
        .collect();
    marketer.press("/console/traits/new", "save", &filled).await.expect(303);
    let text = "event('Bought').where(property('total') >= 100).sum(property('total'))";
    assert_eq!(app.get("/api/traits/spent").await["query"], text);
    let page = marketer.page("/console/traits/spent").await;
    assert!(page.contains("<code>300") && page.contains("/console/users/u3"), "{page}");
    assert!(marketer.page("/console/traits/spent?user=u3").await.contains("has the value"));
    assert!(marketer.page("/console/traits").await.contains("Spent"));
    let file = marketer.get("/console/traits/spent/values.csv").await.expect(200).text();
    assert!(file.starts_with("key,value,external_ids\n"), "{file}");
    let edit = marketer.page("/console/traits/spent/edit").await;
    assert!(query(&edit) == text && edit.contains("name=\"v.f0.path\""), "{edit}");

    for (enabled, status) in [("false", "disabled"), ("true", "live")] {
        marketer.post("/console/traits/spent/enabled", &[("enabled", enabled)]).await.expect(303);
        assert_eq!(app.get("/api/traits/spent").await["status"], status);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_look_and_change_nothing() {
    let app = shop().await;
    define(&app, "audiences", "Buyers", BUYERS_QUERY).await;
    let viewer = visitor(&app, Role::Viewer).await;
    let (list, page) =
        (viewer.page("/console/audiences").await, viewer.page("/console/audiences/buyers").await);
    assert!(list.contains("Buyers") && page.contains("/console/users/u1"));
    for hidden in ["/new\"", "/edit\"", "/delete\"", "/enabled\""] {
        assert!(!list.contains(hidden) && !page.contains(hidden), "{hidden}");
    }
    for path in
        ["/console/audiences/new", "/console/audiences/buyers/edit", "/console/audiences/buyers/delete"]
    {
        assert_eq!(viewer.get(path).await.status, 403, "{path}");
        assert_eq!(viewer.post(path, &[("do", "save")]).await.status, 403, "{path}");
    }
    assert_eq!(viewer.post("/console/audiences/buyers/enabled", &[("enabled", "false")]).await.status, 403);
    let mut marketer = visitor(&app, Role::Marketer).await;
    marketer.csrf = "forged".to_owned();
    for path in [
        "/console/audiences/buyers/delete",
        "/console/audiences/buyers/enabled",
        "/console/audiences/buyers/edit",
    ] {
        assert_eq!(marketer.post(path, &[("do", "save")]).await.status, 400, "{path}");
    }
    assert_eq!(app.get("/api/audiences/buyers").await["status"], "live");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_is_text() {
    let app = shop().await;
    track(&app, HOSTILE, HOSTILE, json!({ HOSTILE: 1 })).await;
    let text = format!("event('{}').count() >= 1", HOSTILE.replace('\'', "\\'"));
    define(&app, "audiences", &format!("Hostile {HOSTILE}"), &text).await;
    let marketer = visitor(&app, Role::Marketer).await;
    let key = app.get("/api/audiences").await["audiences"][0]["key"].as_str().unwrap().to_owned();
    let place = format!("/console/audiences/{key}");
    let mut pages = Vec::new();
    for rest in ["", "/edit", "/delete", "?user=%3Cscript%3Ealert"] {
        pages.push(marketer.page(&format!("{place}{rest}")).await);
    }
    pages.push(marketer.page("/console/audiences").await);
    let was = was(&pages[1]).map(|(name, value)| (name, value.to_owned()));
    let typed = [
        ("name", HOSTILE),
        ("query", HOSTILE),
        ("query_was", ""),
        ("form_was", was[1].1.as_str()),
        ("history_span", HOSTILE),
    ];
    pages.push(marketer.press(&format!("{place}/edit"), "save", &typed).await.expect(422).text());
    let previewed = [("name", "x"), ("query", text.as_str()), ("query_was", "")];
    pages.push(marketer.press(&format!("{place}/edit"), "preview", &previewed).await.expect(200).text());
    for page in pages {
        assert!(!page.contains("<script>alert") && page.contains("&lt;script&gt;alert"), "{page}");
    }
    app.finish().await;
}
