//! Signing in, over a running engine.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::test::TestRequest;
use tokio::sync::mpsc;

use super::*;
use crate::clock::Clock;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::limits;
use crate::domain::people::Role;
use crate::domain::time::{Span, Timestamp};
use crate::engine::{NewPerson, Settings, Surroundings, Writer};
use crate::http::proxies::Proxies;
use crate::metrics;
use crate::store::memory::MemoryStore;

const PASSWORD: &str = "four words make one";
const EMAIL: &str = "ann@example.com";

struct House {
    state: ApiState,
    clock: Clock,
    ticks: mpsc::Sender<()>,
}

async fn house(public_url: &str) -> House {
    let clock = Clock::manual(Timestamp::from_millis(1_790_000_000_000));
    let settings = Settings {
        clock: clock.clone(),
        seed: [3; 32],
        surroundings: Surroundings::default(),
        address_policy: AddressPolicy::public_only(),
        writers: 1,
    };
    let (engine, writer) = Writer::open(Arc::new(MemoryStore::new()), settings).await.unwrap();
    let (ticks, ticked) = mpsc::channel(1);
    rt::spawn(writer.run(ticked));
    let state = ApiState::new(engine, metrics::Handle::detached(), public_url);
    House { state: state.with_set_up(SetUpLink::new("the link")), clock, ticks }
}

fn ann() -> NewPerson {
    let (email, name) = (EMAIL.to_owned(), "Ann".to_owned());
    NewPerson { email, name, role: Role::Operator, password: PASSWORD.to_owned() }
}

fn from(address: &str) -> TestRequest {
    TestRequest::default().peer_addr(format!("{address}:999").parse().unwrap())
}

fn request() -> HttpRequest {
    from("10.0.0.1").to_http_request()
}

fn with(cookie: &Cookie<'static>) -> HttpRequest {
    from("10.0.0.1").cookie(cookie.clone()).to_http_request()
}

impl House {
    async fn with_ann(self) -> Self {
        self.state.engine.add_person(ann()).await.unwrap();
        self
    }

    async fn try_from(&self, address: &str, email: &str, password: &str) -> Result<Cookie<'static>, Refused> {
        sign_in(&from(address).to_http_request(), &self.state, email, password).await
    }

    async fn caller(&self, cookie: &Cookie<'static>) -> Option<Caller> {
        caller_of(&with(cookie), &self.state).await.unwrap()
    }

    fn pass(&self, span: Span) {
        self.clock.set(self.clock.now().plus(span));
    }

    /// Ticks, and waits until it is written that this session is used now.
    async fn writes_down_uses(&self, cookie: &Cookie<'static>) {
        self.ticks.send(()).await.unwrap();
        let seen =
            async || self.state.engine.session(cookie.value(), false).await.unwrap().unwrap().0.seen_at;
        let written = async {
            while seen().await != self.clock.now() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), written).await.expect("with the next tick");
    }
}

#[actix_web::test]
async fn whoever_has_the_password_gets_a_session() {
    let house = house("http://s.example").await.with_ann().await;
    let cookie = house.try_from("10.0.0.1", " Ann@Example.COM", PASSWORD).await.unwrap();
    assert_eq!((cookie.name(), cookie.path(), cookie.domain()), ("stagepost_session", Some("/"), None));
    assert_eq!((cookie.http_only(), cookie.secure()), (Some(true), Some(false)));
    assert_eq!(cookie.same_site(), Some(SameSite::Lax));
    assert_eq!(cookie.value().len(), 64, "256 bits");
    let caller = house.caller(&cookie).await.unwrap();
    assert_eq!(caller.name, EMAIL);
    assert_eq!(caller.scopes, Role::Operator.scopes());
    let session = caller.session.clone().unwrap();
    assert!(verify(&caller, &session.csrf));
    assert!(!verify(&caller, "") && !verify(&caller, &session.csrf[1..]));
    assert!(!session.csrf.contains(cookie.value()), "forms don't show the secret");
    assert!(caller_of(&request(), &house.state).await.unwrap().is_none());
}

#[actix_web::test]
async fn over_https_no_other_host_can_set_the_cookie() {
    let house = house("https://s.example").await.with_ann().await;
    let cookie = house.try_from("10.0.0.1", EMAIL, PASSWORD).await.unwrap();
    assert_eq!(
        (cookie.name(), cookie.secure(), cookie.path()),
        ("__Host-stagepost_session", Some(true), Some("/"))
    );
    assert_eq!(cookie.domain(), None);
    assert!(house.caller(&cookie).await.is_some());
    let plain = Cookie::new("stagepost_session", cookie.value().to_owned());
    assert!(house.caller(&plain).await.is_none());
}

#[actix_web::test]
async fn a_wrong_password_and_a_wrong_address_are_the_same() {
    let house = house("http://s.example").await.with_ann().await;
    for (email, password) in [
        (EMAIL, "four words make two"),
        (EMAIL, ""),
        ("bob@example.com", PASSWORD),
        ("", ""),
        ("set-up", PASSWORD),
        ("\0", PASSWORD),
    ] {
        let refused = house.try_from("10.0.0.1", email, password).await.unwrap_err();
        assert_eq!(refused.to_string(), "the address or the password is wrong", "{email:?}");
    }
    let people = house.state.engine.people().await.unwrap();
    house.state.engine.add_person(NewPerson { email: "root@x.y".to_owned(), ..ann() }).await.unwrap();
    let disabled = crate::domain::people::PersonChange { disabled: Some(true), ..Default::default() };
    house.state.engine.change_person(people[0].id, disabled).await.unwrap();
    assert!(matches!(house.try_from("10.0.0.1", EMAIL, PASSWORD).await, Err(Refused::Wrong)));
}

#[actix_web::test]
async fn an_account_is_held_whether_it_is_there_or_not() {
    let house = house("http://s.example").await.with_ann().await;
    for email in [EMAIL, "nobody@example.com"] {
        for n in 0..limits::MAX_WRONG_PASSWORDS {
            // Each from another network, as a swarm does.
            let refused = house.try_from(&format!("10.1.0.{n}"), email, "a wrong password").await;
            assert!(matches!(refused, Err(Refused::Wrong)), "{email} {n}");
        }
        let refused = house.try_from("10.2.0.1", email, PASSWORD).await.unwrap_err();
        assert_eq!(refused.to_string(), "too many wrong passwords; come back in 15 minutes", "{email}");
    }
    house.pass(limits::HELD_FOR);
    assert!(house.try_from("10.2.0.1", EMAIL, PASSWORD).await.is_ok());
}

#[actix_web::test]
async fn a_network_is_held_whatever_it_tries() {
    let house = house("http://s.example").await.with_ann().await;
    for n in 0..limits::MAX_WRONG_PASSWORDS_FROM {
        let email = format!("p{n}@example.com");
        assert!(matches!(house.try_from("[2001:db8::1]", &email, PASSWORD).await, Err(Refused::Wrong)));
    }
    let next_door = house.try_from("[2001:db8::2]", EMAIL, PASSWORD).await;
    assert!(matches!(next_door, Err(Refused::Held(_))), "the same /64");
    assert!(house.try_from("[2001:db8:1::2]", EMAIL, PASSWORD).await.is_ok());
}

#[actix_web::test]
async fn right_ones_don_t_count() {
    let house = house("http://s.example").await.with_ann().await;
    for _ in 0..limits::MAX_WRONG_PASSWORDS_FROM + 1 {
        house.try_from("10.0.0.1", EMAIL, PASSWORD).await.unwrap();
    }
}

#[actix_web::test]
async fn each_sign_in_is_another_session_and_ends_the_one_before() {
    let house = house("http://s.example").await.with_ann().await;
    let first = house.try_from("10.0.0.1", EMAIL, PASSWORD).await.unwrap();
    let second = sign_in(&with(&first), &house.state, EMAIL, PASSWORD).await.unwrap();
    assert_ne!(first.value(), second.value());
    assert!(house.caller(&first).await.is_none());
    let elsewhere = house.try_from("10.0.0.2", EMAIL, PASSWORD).await.unwrap();
    let gone = sign_out(&with(&second), &house.state).await.unwrap();
    assert_eq!((gone.value(), gone.max_age()), ("", Some(actix_web::cookie::time::Duration::ZERO)));
    assert!(house.caller(&second).await.is_none());
    let third = house.try_from("10.0.0.1", EMAIL, PASSWORD).await.unwrap();
    let caller = house.caller(&elsewhere).await.unwrap();
    sign_out_everywhere(&with(&elsewhere), &house.state, &caller).await.unwrap();
    assert!(house.caller(&elsewhere).await.is_none() && house.caller(&third).await.is_none());
}

#[actix_web::test]
async fn sessions_are_listed_with_where_they_are_and_end_one_by_one() {
    let house = house("http://s.example").await.with_ann().await;
    let engine = &house.state.engine;
    let ann = engine.people().await.unwrap()[0].id;
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0";
    let there = from("10.0.0.2").insert_header(("user-agent", firefox)).to_http_request();
    let there = sign_in(&there, &house.state, EMAIL, PASSWORD).await.unwrap();
    house.pass(Span::from_secs(1));
    let here = house.try_from("10.0.0.1", EMAIL, PASSWORD).await.unwrap();
    let sessions = engine.sessions(ann).await.unwrap();
    let shown: Vec<_> = sessions
        .iter()
        .map(|(_, session)| (session.device.address.as_str(), session.device.browser.as_str()))
        .collect();
    assert_eq!(shown, [("10.0.0.1", ""), ("10.0.0.2", "Firefox on Linux")]);
    let caller = house.caller(&here).await.unwrap();
    assert_eq!(sessions[0].0, caller.session.unwrap().name, "each knows its own");
    assert!(!here.value().contains(&sessions[0].0), "a name is no part of a secret");
    engine.end_one_session(ann, &sessions[1].0).await.unwrap();
    assert!(house.caller(&there).await.is_none() && house.caller(&here).await.is_some());
    for gone in [sessions[1].0.as_str(), "", here.value()] {
        let ended = engine.end_one_session(ann, gone).await;
        assert!(matches!(ended, Err(EngineError::NotFound { .. })), "{gone:?}");
    }
}

#[actix_web::test]
async fn nobody_has_sessions_without_number() {
    let house = house("http://s.example").await.with_ann().await;
    let engine = &house.state.engine;
    let ann = engine.people().await.unwrap()[0].id;
    let mut cookies = Vec::new();
    for _ in 0..limits::MAX_SESSIONS + 2 {
        house.pass(Span::from_secs(1));
        cookies.push(house.try_from("10.0.0.1", EMAIL, PASSWORD).await.unwrap());
    }
    assert_eq!(engine.sessions(ann).await.unwrap().len(), limits::MAX_SESSIONS);
    for (number, cookie) in cookies.iter().enumerate() {
        assert_eq!(
            house.caller(cookie).await.is_some(),
            number >= 2,
            "those that began first are over: {number}"
        );
    }
    engine.end_sessions(ann).await.unwrap();
    assert!(engine.sessions(ann).await.unwrap().is_empty());
}

#[actix_web::test]
async fn behind_a_trusted_proxy_each_caller_is_counted_alone() {
    let mut house = house("http://s.example").await.with_ann().await;
    house.state = house.state.with_proxies(Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]));
    let behind = |proxy: &str, caller: &str| {
        from(proxy).insert_header(("x-forwarded-for", format!("127.0.0.1, {caller}"))).to_http_request()
    };
    for n in 0..limits::MAX_WRONG_PASSWORDS_FROM {
        let refused =
            sign_in(&behind("10.0.0.1", "203.0.113.7"), &house.state, &format!("p{n}@x.y"), "x").await;
        assert!(matches!(refused, Err(Refused::Wrong)));
    }
    let same = sign_in(&behind("10.0.0.2", "203.0.113.7"), &house.state, EMAIL, PASSWORD).await;
    assert!(matches!(same, Err(Refused::Held(_))), "by another proxy, too");
    let other = sign_in(&behind("10.0.0.1", "203.0.113.8"), &house.state, EMAIL, PASSWORD).await;
    assert!(other.is_ok());
    let ann = house.state.engine.people().await.unwrap()[0].id;
    assert_eq!(house.state.engine.sessions(ann).await.unwrap()[0].1.device.address, "203.0.113.8");
    // Whoever is no proxy stays who he is, whatever he says.
    let told = sign_in(&behind("192.0.2.1", "203.0.113.7"), &house.state, EMAIL, PASSWORD).await;
    assert!(told.is_ok());
}

#[actix_web::test]
async fn who_changes_his_password_says_the_present_one() {
    let house = house("http://s.example").await.with_ann().await;
    let cookie = house.try_from("10.0.0.1", EMAIL, PASSWORD).await.unwrap();
    let caller = house.caller(&cookie).await.unwrap();
    let new = "another long password";
    let wrong = change_password(&with(&cookie), &house.state, &caller, "a wrong password", new).await;
    assert!(matches!(wrong, Err(Refused::Wrong)));
    let short = change_password(&with(&cookie), &house.state, &caller, PASSWORD, "short").await;
    assert!(matches!(short, Err(Refused::Engine(EngineError::Invalid(_)))));
    let next = change_password(&with(&cookie), &house.state, &caller, PASSWORD, new).await.unwrap();
    assert!(house.caller(&cookie).await.is_none());
    assert!(house.caller(&next).await.is_some());
    assert!(house.try_from("10.0.0.1", EMAIL, PASSWORD).await.is_err());
    assert!(house.try_from("10.0.0.1", EMAIL, new).await.is_ok());
}

#[actix_web::test]
async fn no_other_site_signs_anybody_in() {
    let house = house("http://s.example").await.with_ann().await;
    let asked =
        |site: &'static str| from("10.0.0.1").insert_header(("sec-fetch-site", site)).to_http_request();
    let refused = sign_in(&asked("cross-site"), &house.state, EMAIL, PASSWORD).await;
    assert!(matches!(refused, Err(Refused::CrossSite)));
    assert!(sign_in(&asked("same-origin"), &house.state, EMAIL, PASSWORD).await.is_ok());
}

#[actix_web::test]
async fn the_printed_link_admits_one_admin() {
    let house = house("http://s.example").await;
    let state = &house.state;
    assert!(can_set_up(state, "the link").await.unwrap());
    assert!(!can_set_up(state, "another").await.unwrap());
    let wrong = set_up(&request(), state, "another", ann()).await;
    assert!(matches!(wrong, Err(Refused::NoSetUp)));
    let weak = NewPerson { password: "short".to_owned(), ..ann() };
    assert!(matches!(
        set_up(&request(), state, "the link", weak).await,
        Err(Refused::Engine(EngineError::Invalid(_)))
    ));
    let cookie = set_up(&request(), state, "the link", ann()).await.unwrap();
    let caller = house.caller(&cookie).await.unwrap();
    assert_eq!(caller.session.unwrap().role, "admin", "whatever was asked for");
    assert!(!can_set_up(state, "the link").await.unwrap());
    let again = NewPerson { email: "eve@example.com".to_owned(), ..ann() };
    assert!(matches!(set_up(&request(), state, "the link", again).await, Err(Refused::NoSetUp)));
}

#[actix_web::test]
async fn an_unused_session_is_written_down_once_a_minute() {
    let house = house("http://s.example").await.with_ann().await;
    let cookie = house.try_from("10.0.0.1", EMAIL, PASSWORD).await.unwrap();
    let seen = async || house.state.engine.session(cookie.value(), true).await.unwrap().unwrap().0.seen_at;
    let begun = house.clock.now();
    house.pass(Span::from_secs(59));
    seen().await;
    assert_eq!(seen().await, begun);
    house.pass(Span::from_secs(1));
    assert_eq!(seen().await, begun, "whoever uses it does not wait for that");
    house.writes_down_uses(&cookie).await;
}

#[actix_web::test]
async fn a_viewers_address_does_not_end_the_link() {
    let house = house("http://s.example").await.with_ann().await;
    let taken = set_up(&request(), &house.state, "the link", ann()).await;
    assert!(matches!(taken, Err(Refused::Engine(EngineError::Staff(_)))), "{taken:?}");
    let other = NewPerson { email: "eve@example.com".to_owned(), ..ann() };
    assert!(set_up(&request(), &house.state, "the link", other).await.is_ok());
}

#[actix_web::test]
async fn what_an_open_page_asks_by_itself_keeps_no_session() {
    let house = house("http://s.example").await.with_ann().await;
    let cookie = house.try_from("10.0.0.1", EMAIL, PASSWORD).await.unwrap();
    let asks = async |header: (&str, &str)| {
        let request = TestRequest::default().cookie(cookie.clone()).insert_header(header).to_http_request();
        caller_of(&request, &house.state).await.unwrap().is_some()
    };
    let (listens, refreshes) = (("accept", "text/event-stream"), ("x-refresh", "1"));
    for _ in 0..11 {
        house.pass(Span::from_hours(1));
        assert!(asks(listens).await && asks(refreshes).await, "it lasts as long as it would without them");
    }
    assert!(asks(("accept", "text/html")).await, "and this is use");
    house.writes_down_uses(&cookie).await;
    house.pass(Span::from_hours(11));
    assert!(asks(refreshes).await);
    house.pass(Span::from_hours(1));
    assert!(!asks(refreshes).await, "nobody used it for twelve hours");
}
