//! The worked examples of the language, numbered as in its description: they hold the oracle itself.

use serde_json::{Value, json};

use crate::build::{
    boolean, context, days, event, identify, not, number, of_trait, parent, path, place, post, property,
    text, texts, track,
};
use crate::history::{History, Owner, Post, What};
use crate::language::{
    As, Condition, Duration, Literal, Millis, Query, Reducer, Relation, Scalar, Test, Window,
};
use crate::print::plain;
use crate::truth::{self, Given};
use crate::value::instant;

const DAY: Millis = 86_400_000;
const MINUTE: Millis = 60_000;

fn now() -> Millis {
    instant("2026-01-31").unwrap()
}

/// An event so many milliseconds ago.
fn ago(name: &str, ago: Millis, properties: Value) -> Post {
    track(name, now() - ago, properties)
}

/// Events so many days ago.
fn at(name: &str, days: &[i64]) -> Vec<Post> {
    days.iter().map(|days| ago(name, days * DAY, json!({}))).collect()
}

/// Events within the last days, the last of them yesterday, with these properties.
fn each(name: &str, all: &[Value]) -> Vec<Post> {
    let first = i64::try_from(all.len()).unwrap();
    all.iter()
        .zip(0..)
        .map(|(properties, place)| ago(name, (first - place) * DAY, properties.clone()))
        .collect()
}

fn traits(traits: Value) -> Vec<Post> {
    vec![identify(now() - 100 * DAY, traits)]
}

/// What a query is worth for the first user, or for the first account where it is about accounts.
fn worth(query: &Query, posts: &[Post], later: Millis) -> Option<Value> {
    let mut history = History::new(None);
    // A user and an account of whom nothing is known, so that there is something to ask about.
    history.take(&Post { message: "first".to_owned(), ..post(0, What::Group(0, json_fields())) }, 0);
    for (post, number) in posts.iter().zip(0..) {
        history.take(&Post { message: format!("m{number}"), ..post.clone() }, now() + number);
    }
    let owner = if query.is_account_level() { Owner::Account(0) } else { Owner::User(0) };
    let given = Given::from(
        [((owner, "big_spenders".to_owned()), Value::Bool(true))].map(|(key, value)| (key, value)),
    );
    truth::value(query, owner, &history, &given, now() + later, None)
}

fn json_fields() -> crate::history::Fields {
    crate::history::Fields::new()
}

#[track_caller]
fn audience(number: u32, said: &str, condition: Condition, cases: &[(Vec<Post>, bool)]) {
    let query = Query::Audience(condition);
    assert_eq!(plain(&query), said, "{number}");
    for (posts, holds) in cases {
        assert_eq!(worth(&query, posts, 0), Some(json!(holds)), "{number}: {said} of {posts:#?}");
    }
}

#[track_caller]
fn computed(number: u32, said: &str, scalar: Scalar, cases: &[(Vec<Post>, Millis, Value)]) {
    let Scalar::Stream(stream, reducer) = scalar else { panic!("{number} is no stream") };
    let query = Query::Trait(stream, reducer);
    assert_eq!(plain(&query), said, "{number}");
    for (posts, later, value) in cases {
        let worth = worth(&query, posts, *later).unwrap_or(Value::Null);
        assert_eq!(worth, *value, "{number}: {said} of {posts:#?}");
    }
}

fn bought() -> crate::language::Stream {
    event("Bought")
}

#[test]
fn counts_and_windows() {
    let some = |days: &[i64]| at("Bought", days);
    let once = || bought().count().at_least("1");
    audience(1, "event('Bought').count() >= 1", once(), &[(some(&[400]), true), (vec![], false)]);
    audience(2, "event('Bought').count() = 0", bought().count().equals(number("0")), &[(vec![], true)]);
    audience(3, "NOT event('Bought').count() >= 1", not(once()), &[(some(&[1]), false)]);
    audience(
        4,
        "event('Bought').within(7 days).count() >= 2",
        bought().within(days(7)).count().at_least("2"),
        &[(some(&[1, 8]), false), (some(&[1, 7]), true)],
    );
    audience(
        5,
        "event('Bought').where(property('price') >= 100).within(7 days).count() >= 1",
        bought().only(property("price").at_least("100")).within(days(7)).count().at_least("1"),
        &[
            (each("Bought", &[json!({"price": 100}), json!({})]), true),
            (each("Bought", &[json!({"price": "100"})]), true),
            (each("Bought", &[json!({"price": 99.99})]), false),
            (each("Bought", &[json!({})]), false),
        ],
    );
    audience(
        6,
        "event('Bought').between(7 days, 10 days).count() >= 1",
        bought().window(Window::Between(days(7), days(10))).count().at_least("1"),
        &[(some(&[6]), false), (some(&[7]), true), (some(&[10]), true), (some(&[11]), false)],
    );
}

#[test]
fn tests_of_traits() {
    let plan = || of_trait("plan");
    let free = || text("free");
    let known = |plan: &str| traits(json!({ "plan": plan }));
    audience(
        7,
        "trait('plan') != 'free'",
        plan().differs(free()),
        &[(known("pro"), true), (known("free"), false), (vec![], false)],
    );
    audience(
        8,
        "trait('plan') != 'free' OR trait('plan').absent()",
        Condition::Or(vec![plan().differs(free()), plan().is(Test::Absent)]),
        &[(vec![], true)],
    );
    assert_eq!(worth(&Query::Audience(not(plan().equals(free()))), &[], 0), Some(json!(true)), "9");
    audience(
        10,
        "trait('VIP') = 'true'",
        of_trait("VIP").equals(text("true")),
        &[
            (traits(json!({"VIP": true})), true),
            (traits(json!({"VIP": "true"})), true),
            (traits(json!({"VIP": "TRUE"})), false),
        ],
    );
    let old = || of_trait("age").related(Relation::Greater, number("30"));
    let either = || vec![of_trait("city").equals(text("Gent")), of_trait("staff").equals(boolean(true))];
    let [gent, staff] = either().try_into().unwrap();
    let young = || traits(json!({"age": 20, "staff": true}));
    audience(
        11,
        "trait('age') > 30 AND trait('city') = 'Gent' OR trait('staff') = true",
        Condition::Or(vec![Condition::And(vec![old(), gent]), staff]),
        &[(young(), true)],
    );
    audience(
        12,
        "trait('age') > 30 AND (trait('city') = 'Gent' OR trait('staff') = true)",
        Condition::And(vec![old(), Condition::Or(either())]),
        &[(young(), false)],
    );
    audience(
        13,
        "trait('email').contains('@acme.io','@acme.com')",
        of_trait("email").is(Test::Contains(texts(&["@acme.io", "@acme.com"]))),
        &[(traits(json!({"email": "a@acme.com"})), true)],
    );
    audience(
        14,
        "trait('email').omits('@acme.io')",
        of_trait("email").is(Test::Omits(texts(&["@acme.io"]))),
        &[(vec![], true), (traits(json!({"email": "a@acme.io"})), false)],
    );
    audience(
        15,
        "trait('country').one_of('BE','NL')",
        of_trait("country").is(Test::OneOf(texts(&["BE", "NL"]))),
        &[(traits(json!({"country": "be"})), false), (traits(json!({"country": "NL"})), true)],
    );
    audience(
        16,
        "trait('country').none_of('BE','NL')",
        of_trait("country").is(Test::NoneOf(texts(&["BE", "NL"]))),
        &[(traits(json!({"country": "FR"})), true), (vec![], false)],
    );
    audience(
        29,
        "trait('big_spenders') = 'true' AND NOT trait('churned') = 'true'",
        Condition::And(vec![
            of_trait("big_spenders").equals(text("true")),
            not(of_trait("churned").equals(text("true"))),
        ]),
        &[(vec![], true)],
    );
}

#[test]
fn dates() {
    let with = |name: &str, value: &str| traits(json!({ name: value }));
    let date = |name: &str, test: Test| of_trait(name).is(test);
    audience(
        17,
        "trait('signup').within_last(7 days)",
        date("signup", Test::WithinLast(days(7))),
        &[
            (with("signup", "2026-01-24T00:00:00Z"), true),
            (with("signup", "2026-01-23T23:59:59Z"), false),
            (with("signup", "2026-01-30T10:00:00"), false),
        ],
    );
    audience(
        18,
        "trait('renewal').within_next(30 days)",
        date("renewal", Test::WithinNext(days(30))),
        &[(with("renewal", "2026-03-02T00:00:00Z"), true), (with("renewal", "2026-01-30"), false)],
    );
    audience(
        19,
        "trait('last_login').before_last(90 days)",
        date("last_login", Test::BeforeLast(days(90))),
        &[(with("last_login", "2025-11-02T00:00:00Z"), true), (vec![], false)],
    );
    audience(
        20,
        "trait('renewal').after_next(30 days)",
        date("renewal", Test::AfterNext(days(30))),
        &[(with("renewal", "2026-03-03T00:00Z"), true)],
    );
    audience(
        21,
        "trait('born').before_date('2000-01-01')",
        date("born", Test::BeforeDate(Literal::Text("2000-01-01".to_owned()))),
        &[(with("born", "1999-12-31"), true), (with("born", "2000-01-01"), false)],
    );
}

#[test]
fn filters() {
    let once = |stream: crate::language::Stream| stream.count().at_least("1");
    let page = post(now() - DAY, What::Page(Some("Pricing".to_owned()), json_fields()));
    let starts = property("page_name").is(Test::StartsWith(text("Pric")));
    audience(
        22,
        "event('Page Viewed').where(property('page_name').starts_with('Pric')).count() >= 1",
        once(event("Page Viewed").only(starts)),
        &[(vec![page], true)],
    );
    let after = |number| event("Completed").window(Window::AfterParent(days(number)));
    audience(
        23,
        "event('Added').where(event('Completed').within(parent: 1 days).count() = 0).within(7 days).count() >= 1",
        once(event("Added").only(after(1).count().equals(number("0"))).within(days(7))),
        &[
            ([at("Added", &[3, 2]), vec![ago("Completed", 5 * DAY / 2, json!({}))]].concat(), true),
            ([at("Added", &[3]), vec![ago("Completed", 5 * DAY / 2, json!({}))]].concat(), false),
            ([at("Completed", &[4]), at("Added", &[3])].concat(), true),
        ],
    );
    let same = property("sku").equals(parent("sku"));
    let inner = bought().only(same).window(Window::AfterParent(days(2)));
    let seen = |sku: &str| {
        vec![ago("Viewed", 3 * DAY, json!({"sku": "A"})), ago("Bought", 2 * DAY, json!({ "sku": sku }))]
    };
    audience(
        24,
        "event('Viewed').where(event('Bought').where(property('sku') = property(parent: 'sku')).within(parent: 2 days).count() >= 1).count() >= 1",
        once(event("Viewed").only(once(inner))),
        &[(seen("B"), false), (seen("A"), true)],
    );
    let dear = property("price").related(Relation::Greater, of_trait("avg_price"));
    let price = || each("Bought", &[json!({"price": 60})]);
    audience(
        25,
        "event('Bought').where(property('price') > trait('avg_price')).count() >= 1",
        once(bought().only(dear)),
        &[(price(), false), ([price(), traits(json!({"avg_price": 50}))].concat(), true)],
    );
    audience(
        30,
        "event('Login').sources({exclude: 'src_app'}).count() >= 1",
        once(event("Login").without("src_app")),
        &[
            (vec![ago("Login", DAY, json!({})).from("src_app")], false),
            (vec![ago("Login", DAY, json!({})).from("src_web")], true),
        ],
    );
    let url = context("page.url").is(Test::Contains(texts(&["/sale"])));
    let there = ago("Bought", DAY, json!({})).with_context(json!({"page": {"url": "https://x/sale/1"}}));
    audience(
        31,
        "event('Bought').where(context('page.url').contains('/sale')).count() >= 1",
        once(bought().only(url)),
        &[(vec![there], true), (at("Bought", &[1]), false)],
    );
    audience(
        32,
        "event('Bought').where(property('items.$.sku') = 'A').count() >= 1",
        once(bought().only(property("items.$.sku").equals(text("A")))),
        &[(each("Bought", &[json!({"items": [{"sku": "B"}, {"sku": "A"}]})]), true)],
    );
}

#[test]
fn reducers_compared() {
    let month = || bought().within(days(30));
    let prices = |all: &[Value]| {
        each("Bought", &all.iter().map(|price| json!({ "price": price })).collect::<Vec<_>>())
    };
    let skus =
        |all: &[&str]| each("Bought", &all.iter().map(|sku| json!({ "sku": sku })).collect::<Vec<_>>());
    audience(
        26,
        "event('Bought').within(30 days).sum(property('price')) >= 300",
        month().to(Reducer::Sum(place("price"))).at_least("300"),
        &[
            (prices(&[json!(100), json!(200)]), true),
            (prices(&[json!(100), json!("x"), json!(200)]), true),
            (prices(&[json!(100)]), false),
        ],
    );
    audience(
        27,
        "event('Bought').within(30 days).avg(property('price')) < 50",
        month().to(Reducer::Average(place("price"))).related(Relation::Less, number("50")),
        &[(vec![], false), (prices(&[json!(20), json!(60)]), true)],
    );
    audience(
        28,
        "event('Bought').unique(property('sku')).count() >= 3",
        bought().to(Reducer::UniqueCount(place("sku"))).at_least("3"),
        &[(skus(&["A", "A", "B"]), false), (skus(&["A", "B", "C"]), true)],
    );
}

#[test]
fn accounts() {
    let login = || event("Login").within(days(7)).count().at_least("1");
    let linked = || vec![post(0, What::Group(0, json_fields())).of(1)];
    let second = || vec![ago("Login", DAY, json!({})).of(1)];
    audience(
        33,
        "ANY event('Login').within(7 days).count() >= 1",
        Condition::Any(Box::new(login())),
        &[([linked(), second()].concat(), true), (linked(), false)],
    );
    audience(
        34,
        "ALL NOT event('Login').within(7 days).count() >= 1",
        Condition::All(Box::new(not(login()))),
        &[(linked(), true), ([linked(), second()].concat(), false)],
    );
    let admin = of_trait("role").equals(text("admin"));
    let posts = [
        linked(),
        second(),
        at("Login", &[1]),
        traits(json!({"role": "admin"})),
        vec![identify(now(), json!({"role": "member"})).of(1)],
    ];
    audience(
        35,
        "ALL (event('Login').count() >= 1 AND trait('role') = 'admin')",
        Condition::All(Box::new(Condition::And(vec![event("Login").count().at_least("1"), admin]))),
        &[(posts.concat(), false), (posts[2..4].concat(), true)],
    );
}

#[test]
fn computed_traits() {
    computed(
        36,
        "event('Login').within(90 days).count()",
        event("Login").within(days(90)).count(),
        &[(at("Login", &[1, 89, 91]), 0, json!(2))],
    );
    let spend = |all: &[Value]| {
        each("Bought", &all.iter().map(|spend| json!({ "spend": spend })).collect::<Vec<_>>())
    };
    computed(
        37,
        "event('Bought').within(30 days).avg(property('spend'))",
        bought().within(days(30)).to(Reducer::Average(place("spend"))),
        &[(spend(&[json!(10), json!(20), json!("30")]), 0, json!(20)), (vec![], 0, Value::Null)],
    );
    let of = |name: &str, all: &[&str]| {
        each("Bought", &all.iter().map(|cat| json!({ name: cat })).collect::<Vec<_>>())
    };
    computed(
        38,
        "event('Bought').mode(property('cat'), 2)",
        bought().to(Reducer::Mode(place("cat"), As::Unsaid, 2)),
        &[(of("cat", &["b", "b", "a", "a", "c"]), 0, json!("a")), (of("cat", &["a", "b"]), 0, Value::Null)],
    );
    computed(
        39,
        "event('Bought').first(property('utm'))",
        bought().to(Reducer::First(place("utm"))),
        &[(each("Bought", &[json!({}), json!({"utm": "x"}), json!({"utm": "y"})]), 0, json!("x"))],
    );
    computed(
        40,
        "event('Bought').unique(property('cat'))",
        bought().to(Reducer::Unique(crate::language::Place::Property(path("cat")))),
        &[(of("cat", &["b", "a", "b"]), 0, json!(["a", "b"]))],
    );
    let sizes = of("size", &["10", "9"]);
    computed(
        41,
        "event('Bought').max(property('size') as string)",
        bought().to(Reducer::Maximum(place("size"), As::String)),
        &[(sizes.clone(), 0, json!("9"))],
    );
    computed(
        41,
        "event('Bought').max(property('size'))",
        bought().to(Reducer::Maximum(place("size"), As::Unsaid)),
        &[(sizes, 0, json!(10))],
    );
    let pages: Vec<Post> =
        [300, 40, 10].map(|minutes| post(now() - minutes * MINUTE, What::Page(None, json_fields()))).to_vec();
    computed(
        42,
        "event('Page Viewed').expires_after(1 hour).count()",
        event("Page Viewed").window(Window::Session(Duration::new(1, "hour"))).count(),
        &[
            (pages.clone(), 0, json!(2)),
            (pages.clone(), 50 * MINUTE, json!(2)),
            (pages, 55 * MINUTE, json!(0)),
        ],
    );
}
