//! Mails against a scripted mail server on the loopback.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::delivery::templates::samples;
use crate::domain::delivery::{Cause, DeliveryStatus, Payload};
use crate::domain::ids::{Desk, IdSource, UserKey};
use crate::domain::link::{LinkKey, Purpose};
use crate::domain::time::Timestamp;

/// What the server answers, by the beginning of the command (`.` is the end of the mail).
type Script = Vec<(&'static str, &'static str)>;

struct MailServer {
    url: String,
    /// Every line that came, of all connections.
    lines: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl MailServer {
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let server = Self { url, lines: Arc::default(), connections: Arc::default() };
        let (lines, connections) = (server.lines.clone(), server.connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                tokio::spawn(converse(stream, script.clone(), lines.clone()));
            }
        });
        server
    }

    fn mailer(&self) -> Mailer {
        mailer(Some(&self.url), PathBuf::new())
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }
}

async fn converse(stream: TcpStream, script: Script, lines: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await.ok()?;
    let mut in_mail = false;
    while let Some(line) = read.next_line().await.ok()? {
        lines.lock().unwrap().push(line.clone());
        if in_mail && line != "." {
            continue;
        }
        let usual = match line.get(..4) {
            Some("EHLO") => "250-test\r\n250 8BITMIME",
            Some("DATA") => "354 go on",
            _ => "250 ok",
        };
        let scripted = script.iter().find(|(command, _)| line.starts_with(command));
        let answer = scripted.map_or(usual, |(_, answer)| answer);
        match answer {
            "hang up" => return None,
            "silence" => std::future::pending().await,
            answer => write.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?,
        }
        in_mail = answer.starts_with("354");
    }
    Some(())
}

fn mailer(url: Option<&str>, folder: PathBuf) -> Mailer {
    let smtp = url.map(|url| SmtpSettings::parse(url).unwrap());
    let settings =
        MailSettings { smtp, from: "Stagepost <alarm@example.com>".to_owned(), folder, links: None };
    Mailer::new(settings, Arc::new(Templates::built_in())).unwrap()
}

fn delivery() -> Delivery {
    let at = Timestamp::parse_lenient("2026-11-21T10:00:00Z").unwrap();
    let mut ids = IdSource::new([5; 32]);
    Delivery {
        id: ids.delivery(at),
        destination: "email".to_owned(),
        user: UserKey::user("019mr8mf4r"),
        message_id: "m1".to_owned(),
        cause: Cause::Stall(ids.journey(at)),
        payload: Payload::Call(Map::new()),
        status: DeliveryStatus::Pending,
        created_at: at,
        updated_at: at,
        next_attempt_at: at,
        retry_from: at,
        tries: 0,
        replays: 0,
        replayed_at: None,
        withdrawn: false,
        reason: None,
        superseded_by: None,
        receipt: None,
        attempts: Vec::new(),
    }
}

async fn send(mailer: &Mailer, to: &[&str]) -> Verdict {
    let to: Vec<String> = to.iter().map(|&to| to.to_owned()).collect();
    mailer.send(&delivery(), "no_reply", &to, &samples::of_journeys()[0]).await
}

#[tokio::test]
async fn a_mail_is_handed_in_with_everything_a_mail_needs() {
    let server = MailServer::start(vec![(".", "250 queued as 42")]).await;
    let mailer = server.mailer();
    let verdict = send(&mailer, &["Ops <ops@example.com>", "lead@example.com"]).await;
    assert_eq!((verdict.outcome, verdict.status), (Outcome::Delivered, Some(250)), "{:?}", verdict.error);
    assert_eq!(verdict.snippet.as_deref(), Some("250 queued as 42"));
    let text = server.text();
    let id = delivery().id;
    for part in [
        "MAIL FROM:<alarm@example.com>".to_owned(),
        "RCPT TO:<ops@example.com>".to_owned(),
        "RCPT TO:<lead@example.com>".to_owned(),
        format!("Message-ID: <{id}@example.com>"),
        "Date: Sat, 21 Nov 2026 10:00:00 +0000".to_owned(),
        "Subject: 019mr8mf4r is stuck in appointment_confirmation".to_owned(),
        "Auto-Submitted: auto-generated".to_owned(),
        "X-Stagepost-Journey: jny_01m8x3q4r5s6t7v8w9x0y1z2a3".to_owned(),
        "Content-Type: multipart/alternative".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Type: text/html; charset=utf-8".to_owned(),
    ] {
        assert!(text.contains(&part), "{part} is not in\n{text}");
    }
    assert_eq!(send(&mailer, &["ops@example.com"]).await.outcome, Outcome::Delivered);
    assert_eq!(*server.connections.lock().unwrap(), 1, "the connection is used again");
}

#[tokio::test]
async fn answers_decide_between_retry_and_failure() {
    let retry = Outcome::Retry { after: None };
    for (script, outcome, code) in [
        (("RCPT", "450 greylisted"), retry.clone(), Some(450)),
        (("RCPT", "550 no such user"), Outcome::Failed, Some(550)),
        (("MAIL", "421 closing"), retry.clone(), Some(421)),
        (("MAIL", "530 not you"), Outcome::Failed, Some(530)),
        (("DATA", "451 later"), retry.clone(), Some(451)),
        ((".", "452 full"), retry.clone(), Some(452)),
        ((".", "554 spam"), Outcome::Failed, Some(554)),
        ((".", "hang up"), retry.clone(), None),
        (("EHLO", "hang up"), retry.clone(), None),
    ] {
        let server = MailServer::start(vec![script]).await;
        let verdict = send(&server.mailer(), &["ops@example.com"]).await;
        assert_eq!((verdict.outcome, verdict.status), (outcome, code), "{script:?} {:?}", verdict.error);
        assert!(verdict.error.is_some());
    }
    let nobody = mailer(Some("smtp://127.0.0.1:1"), PathBuf::new());
    assert_eq!(send(&nobody, &["ops@example.com"]).await.outcome, retry);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_on_and_its_connection_with_it() {
    let server = MailServer::start(vec![(".", "silence")]).await;
    let mut mailer = server.mailer();
    let Way::Server(smtp) = &mut mailer.way else { panic!("a server is set") };
    smtp.timeout = std::time::Duration::from_millis(300);
    let verdict = send(&mailer, &["ops@example.com"]).await;
    assert_eq!(verdict.outcome, Outcome::Retry { after: None });
    assert!(verdict.error.unwrap().contains("not done within 300ms"));
    let Way::Server(smtp) = &mailer.way else { panic!("a server is set") };
    assert_eq!(smtp.idle_connections(), 0);
}

#[tokio::test]
async fn one_recipient_that_is_refused_does_not_keep_the_mail_from_the_others() {
    let server = MailServer::start(vec![("RCPT TO:<gone@", "550 gone")]).await;
    let verdict = send(&server.mailer(), &["gone@example.com", "not an address", "ops@example.com"]).await;
    assert_eq!(verdict.outcome, Outcome::Delivered);
    let error = verdict.error.unwrap();
    assert!(error.contains("gone@example.com: the mail server answered 550 gone"), "{error}");
    assert!(error.contains("`not an address`"), "{error}");
}

#[tokio::test]
async fn who_has_the_mail_does_not_get_it_again_with_the_next_try() {
    let server = MailServer::start(vec![("RCPT TO:<slow@", "450 greylisted")]).await;
    let mailer = server.mailer();
    for _ in 0..2 {
        let verdict = send(&mailer, &["slow@example.com", "ops@example.com"]).await;
        assert_eq!(verdict.outcome, Outcome::Retry { after: None });
    }
    assert_eq!(server.text().matches("RCPT TO:<ops@").count(), 1);
    assert_eq!(server.text().matches("RCPT TO:<slow@").count(), 2);
}

#[test]
fn who_has_a_mail_is_forgotten_from_the_oldest_on() {
    let mut kept = PartlySent::default();
    let id = |n: usize| DeliveryId::from_bytes((n as u128).to_be_bytes());
    let done: BTreeSet<Address> = ["ops@example.com".parse().unwrap()].into();
    for n in 10..10 + PARTLY_SENT_KEPT {
        kept.remember(id(n), BTreeSet::new());
    }
    kept.remember(id(10), done.clone());
    assert_eq!((kept.0.len(), &kept.0[&id(10)]), (PARTLY_SENT_KEPT, &done), "a full one still takes updates");
    kept.remember(id(5000), done.clone());
    assert_eq!((kept.0.len(), kept.0.contains_key(&id(10))), (PARTLY_SENT_KEPT, false));
    kept.remember(id(1), done.clone());
    assert_eq!((kept.0.len(), &kept.0[&id(1)]), (PARTLY_SENT_KEPT, &done), "the newest word is always kept");
    assert!(!kept.0.contains_key(&id(11)));
}

#[tokio::test]
async fn a_final_outcome_ends_the_remembering() {
    let server = MailServer::start(vec![("RCPT TO:<slow@", "450 greylisted")]).await;
    let mailer = server.mailer();
    for (to, outcome) in [
        (&["ops@example.com"][..], Outcome::Delivered),
        (&["nobody"], Outcome::Failed),
        (&["ops@example.com"], Outcome::Delivered),
    ] {
        let partly = send(&mailer, &["slow@example.com", "lead@example.com"]).await;
        assert_eq!((partly.outcome, mailer.partly_sent().0.len()), (Outcome::Retry { after: None }, 1));
        assert_eq!((send(&mailer, to).await.outcome, mailer.partly_sent().0.len()), (outcome, 0));
    }
}

#[tokio::test]
async fn nobody_to_send_to_is_final() {
    let server = MailServer::start(Vec::new()).await;
    assert_eq!(send(&server.mailer(), &["nobody", "a@b\r\nRCPT TO:<x@y>"]).await.outcome, Outcome::Failed);
    assert_eq!(send(&server.mailer(), &[]).await.outcome, Outcome::Failed);
    assert_eq!(server.text(), "");
}

#[tokio::test]
async fn required_encryption_is_required() {
    let server = MailServer::start(Vec::new()).await;
    let strict = mailer(Some(&format!("{}?tls=required", server.url)), PathBuf::new());
    let verdict = send(&strict, &["ops@example.com"]).await;
    assert_eq!(verdict.outcome, Outcome::Retry { after: None });
    assert!(verdict.error.unwrap().contains("STARTTLS"));
    assert!(!server.text().contains("MAIL"));
}

#[tokio::test]
async fn passwords_go_out_on_this_machine_or_encrypted() {
    let server =
        MailServer::start(vec![("EHLO", "250-test\r\n250 AUTH PLAIN LOGIN"), ("AUTH", "235 welcome")]).await;
    let local = mailer(Some(&server.url.replace("//", "//user:secret@")), PathBuf::new());
    assert_eq!(send(&local, &["ops@example.com"]).await.outcome, Outcome::Delivered);
    assert!(server.text().contains("AUTH PLAIN AHVzZXIAc2VjcmV0"));
}

#[tokio::test]
async fn without_a_server_mails_become_files() {
    let folder = tempfile::tempdir().unwrap();
    let mailer = mailer(None, folder.path().join("mail"));
    for _ in 0..2 {
        assert_eq!(send(&mailer, &["ops@example.com"]).await.outcome, Outcome::Delivered);
    }
    let files: Vec<_> = std::fs::read_dir(folder.path().join("mail")).unwrap().flatten().collect();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].file_name().to_string_lossy(), format!("{}.eml", delivery().id));
    let text = std::fs::read_to_string(files[0].path()).unwrap();
    assert!(text.contains("To: ops@example.com\r\n"), "{text}");
}

#[tokio::test]
async fn a_broken_template_still_lets_the_alarm_out() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("email/no_reply")).unwrap();
    std::fs::write(folder.path().join("email/no_reply/body.txt"), "{{ journey.nonsense }}").unwrap();
    let templates = Templates::new(Some(folder.path().to_owned()));
    assert!(templates.check("no_reply").unwrap_err().starts_with("no_reply/body.txt:1: "));
    let settings = MailSettings {
        smtp: None,
        from: "a@example.com".to_owned(),
        folder: folder.path().join("mail"),
        links: None,
    };
    let verdict = send(&Mailer::new(settings, Arc::new(templates)).unwrap(), &["ops@example.com"]).await;
    assert_eq!(verdict.outcome, Outcome::Delivered);
    assert!(verdict.error.unwrap().contains("the template `no_reply` failed"));
}

/// A mailer that writes files, and makes links.
fn linking(folder: &std::path::Path, base_url: &str) -> Mailer {
    let links = Links { key: LinkKey::new("the tests' key"), base_url: base_url.to_owned() };
    let from = "alarm@example.com".to_owned();
    let settings = MailSettings { smtp: None, from, folder: folder.to_owned(), links: Some(links) };
    Mailer::new(settings, Arc::new(Templates::built_in())).unwrap()
}

/// The mail as it was written, with the lines of its headers and of quoted-printable joined.
async fn written(mailer: &Mailer, folder: &std::path::Path, delivery: &Delivery) -> String {
    let Payload::Email { template, to, context } = &delivery.payload else { panic!("a mail") };
    let verdict = mailer.send(delivery, template, to, context).await;
    assert_eq!((&verdict.outcome, &verdict.error), (&Outcome::Delivered, &None));
    let mail = std::fs::read_to_string(folder.join(format!("{}.eml", delivery.id))).unwrap();
    mail.replace("=\r\n", "").replace("\r\n ", " ").replace("=3D", "=")
}

fn mail_of(template: &str, user: UserKey, context: &Map<String, Value>) -> Delivery {
    let to = vec!["ops@example.com".to_owned()];
    let payload = Payload::Email { template: template.to_owned(), to, context: context.clone() };
    Delivery { user, payload, ..delivery() }
}

#[tokio::test]
async fn a_summary_carries_its_chart_and_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let desk = UserKey::desk(&Desk::Team("front_desk"));
    let mail = mail_of("summary", desk, &samples::of_summaries()[0]);
    for (base_url, one_click) in [("https://stagepost.example.com", true), ("http://127.0.0.1:8080", false)] {
        let mailer = linking(folder.path(), base_url);
        let text = written(&mailer, folder.path(), &mail).await;
        let url =
            text.split("List-Unsubscribe: <").nth(1).and_then(|rest| rest.split(">\r\n").next()).unwrap();
        let token = url.strip_prefix(&format!("{base_url}/act/")).unwrap();
        let now = delivery().created_at;
        let link = mailer.links.as_ref().unwrap().key.open(token, now).unwrap();
        let purpose =
            Purpose::Unsubscribe { team: "front_desk".to_owned(), address: "ops@example.com".to_owned() };
        assert_eq!((link.purpose, link.delivery), (purpose, mail.id));
        assert_eq!(
            text.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
            one_click,
            "{text}"
        );
        let id = format!("chart.{}@example.com", mail.id);
        for part in [
            "multipart/alternative".to_owned(),
            "multipart/related".to_owned(),
            "Content-Type: image/png".to_owned(),
            format!("Content-ID: <{id}>"),
            format!("src=\"cid:{id}\" alt=\"Stalls in each hour, the oldest first: 2, 5, 9,"),
        ] {
            assert!(text.contains(&part), "{part} is not in\n{text}");
        }
    }
}

#[tokio::test]
async fn an_alarm_has_links_of_its_own_and_no_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let mailer = linking(folder.path(), "https://stagepost.example.com");
    let [mut context, _] = samples::of_journeys();
    context.remove("links");
    context["thread"] = "dlv_01m8x3q4r5s6t7v8w9x0y1z2a3".into();
    let mail = mail_of("no_reply", UserKey::user("019mr8mf4r"), &context);
    let text = written(&mailer, folder.path(), &mail).await;
    assert_eq!(text.matches("https://stagepost.example.com/act/").count(), 8, "four in each part:\n{text}");
    assert!(!text.contains("List-Unsubscribe") && !text.contains("image/png"), "{text}");
    for header in ["In-Reply-To", "References"] {
        assert!(
            text.contains(&format!("\r\n{header}: <dlv_01m8x3q4r5s6t7v8w9x0y1z2a3@example.com>\r\n")),
            "{text}"
        );
    }
    // A repetition has the same links.
    assert_eq!(links_in(&written(&mailer, folder.path(), &mail).await), links_in(&text));
}

fn links_in(text: &str) -> Vec<&str> {
    text.split("https://").skip(1).filter_map(|rest| rest.split(['"', '\r', ' ']).next()).collect()
}
