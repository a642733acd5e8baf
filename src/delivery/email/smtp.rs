//! The conversation with the mail server, and the connections that are kept for the next mail.
//!
//! lettre speaks the protocol; its pool is not used, because it takes a connection back whose send was given up on, in
//! the middle of a conversation. Here a connection goes back only after a conversation that ended well.

use std::sync::{Mutex, PoisonError};

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use rustls::RootCertStore;
use tokio::sync::Semaphore;

use super::settings::{Security, SmtpSettings};
use crate::delivery::tls;
use crate::domain::limits::MAIL_TIMEOUT;

/// Why a mail, or one recipient of it, was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Whether it would be refused again: a 5xx answer.
    pub permanent: bool,
    /// The server's code, where it answered.
    pub code: Option<u16>,
    /// In words.
    pub error: String,
}

impl Refusal {
    fn again(error: impl Into<String>) -> Self {
        Self { permanent: false, code: None, error: error.into() }
    }
}

impl From<lettre::transport::smtp::Error> for Refusal {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        let answer = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        match error.status().map(u16::from) {
            Some(code) => Self {
                permanent: error.is_permanent(),
                code: Some(code),
                error: format!("the mail server answered {code} {answer}").trim_end().to_owned(),
            },
            None if error.is_tls() => Self::again(format!("no TLS with the mail server: {answer}")),
            None => Self::again(format!("the conversation with the mail server failed: {error}")),
        }
    }
}

/// What a mail server that took a mail said.
#[derive(Debug)]
pub(super) struct Taken {
    pub code: u16,
    pub answer: String,
    /// Who gets it.
    pub accepted: Vec<Address>,
    /// Who does not, and why.
    pub refused: Vec<(Address, Refusal)>,
}

pub(super) struct Smtp {
    settings: SmtpSettings,
    tls: TlsParameters,
    hello: ClientId,
    idle: Mutex<Vec<AsyncSmtpConnection>>,
    slots: Semaphore,
}

impl Smtp {
    pub fn new(settings: SmtpSettings) -> Result<Self, String> {
        tls::install_provider();
        Ok(Self {
            tls: tls_parameters(&settings)?,
            hello: ClientId::default(),
            idle: Mutex::new(Vec::new()),
            slots: Semaphore::new(settings.pool),
            settings,
        })
    }

    /// Hands in one mail. Waiting for a free connection does not count towards the timeout.
    ///
    /// If the time runs out, or the connection breaks, while the server's last word is awaited, nobody knows whether it
    /// took the mail; it is sent again then, under the same Message-ID.
    pub async fn send(&self, from: &Address, to: &[Address], mail: &[u8]) -> Result<Taken, Refusal> {
        let _slot = self.slots.acquire().await.map_err(|_| Refusal::again("the mailer is closed"))?;
        // Given up on, the connection is dropped with the conversation.
        match tokio::time::timeout(MAIL_TIMEOUT.to_std(), self.converse(from, to, mail)).await {
            Ok(result) => result,
            Err(_) => Err(Refusal::again(format!("the mail server was not done within {MAIL_TIMEOUT}"))),
        }
    }

    async fn converse(&self, from: &Address, to: &[Address], mail: &[u8]) -> Result<Taken, Refusal> {
        let mut connection = self.connection().await?;
        let taken = hand_in(&mut connection, from, to, mail).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(taken)
    }

    async fn connection(&self) -> Result<AsyncSmtpConnection, Refusal> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut connection) = idle else { return self.connect().await };
            if connection.test_connected().await {
                return Ok(connection);
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Refusal> {
        let SmtpSettings { host, port, security, .. } = &self.settings;
        let implicit = (*security == Security::Implicit).then(|| self.tls.clone());
        let server = (host.as_str(), *port);
        let timeout = Some(MAIL_TIMEOUT.to_std());
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, timeout, &self.hello, implicit, None).await?;
        let upgrade = match security {
            Security::Plain | Security::Implicit => false,
            Security::Opportunistic => connection.can_starttls(),
            Security::StartTls if connection.can_starttls() => true,
            Security::StartTls => {
                return Err(Refusal::again(
                    "the mail server does not offer STARTTLS, which `tls=required` asks for",
                ));
            }
        };
        if upgrade {
            connection.starttls(self.tls.clone(), &self.hello).await?;
        }
        self.authenticate(&mut connection).await?;
        Ok(connection)
    }

    async fn authenticate(&self, connection: &mut AsyncSmtpConnection) -> Result<(), Refusal> {
        let Some((user, password)) = &self.settings.credentials else { return Ok(()) };
        if !connection.is_encrypted() && !self.settings.is_loopback() {
            return Err(Refusal::again(
                "the connection to the mail server is not encrypted, so the password was not sent; \
                 use smtps:// or tls=required",
            ));
        }
        let credentials = Credentials::new(user.clone(), password.clone());
        connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        Ok(())
    }
}

/// MAIL, RCPT for each recipient, DATA. One recipient that the server knows is enough: somebody gets to know.
async fn hand_in(
    connection: &mut AsyncSmtpConnection,
    from: &Address,
    to: &[Address],
    mail: &[u8],
) -> Result<Taken, Refusal> {
    let mut parameters = Vec::new();
    if std::iter::once(from).chain(to).any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(Refusal {
                permanent: true,
                code: None,
                error: "an address is not ASCII, and the mail server takes only ASCII ones".to_owned(),
            });
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    connection.command(Mail::new(Some(from.clone()), parameters)).await?;
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for address in to {
        match connection.command(Rcpt::new(address.clone(), Vec::new())).await {
            Ok(_) => accepted.push(address.clone()),
            Err(error) if error.status().is_some() => refused.push((address.clone(), Refusal::from(error))),
            // No answer at all: the conversation is over.
            Err(error) => return Err(error.into()),
        }
    }
    if accepted.is_empty() {
        return Err(all_refused(refused));
    }
    connection.command(Data).await?;
    let response = connection.message(mail).await?;
    Ok(Taken { code: response.code().into(), answer: text(&response), accepted, refused })
}

fn text(response: &Response) -> String {
    response.message().collect::<Vec<_>>().join(" ")
}

/// Worth another try if one of them is.
fn all_refused(refused: Vec<(Address, Refusal)>) -> Refusal {
    let decisive = refused.iter().find(|(_, refusal)| !refusal.permanent).or(refused.first());
    Refusal {
        permanent: decisive.is_none_or(|(_, refusal)| refusal.permanent),
        code: decisive.and_then(|(_, refusal)| refusal.code),
        error: describe(&refused),
    }
}

/// Each recipient that was refused, with the server's words.
pub(super) fn describe(refused: &[(Address, Refusal)]) -> String {
    let lines = refused.iter().map(|(address, refusal)| format!("{address}: {}", refusal.error));
    lines.collect::<Vec<_>>().join("; ")
}

fn tls_parameters(settings: &SmtpSettings) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    // Mozilla's roots are there already; the system may have those of a private authority.
    for root in tls::system_roots() {
        if RootCertStore::empty().add(root.clone()).is_ok()
            && let Ok(root) = Certificate::from_der(root.to_vec())
        {
            builder = builder.add_root_certificate(root);
        }
    }
    if let Some(path) = &settings.ca {
        let problem = |why: String| format!("the certificates in {} can't be used: {why}", path.display());
        let pem = std::fs::read(path).map_err(|error| problem(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| problem(error.to_string()))?;
        builder = builder.add_root_certificate(certificate);
    }
    // Opportunistic encryption is against listeners, not against impostors: without it the same bytes would go out
    // in the clear. As soon as a password is involved, the server has to prove who it is.
    if settings.security == Security::Opportunistic && settings.credentials.is_none() {
        builder = builder.dangerous_accept_invalid_certs(true).dangerous_accept_invalid_hostnames(true);
    }
    builder.build().map_err(|error| format!("TLS for mail could not be set up: {error}"))
}
