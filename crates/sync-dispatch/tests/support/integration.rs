//! The host's own provider.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use sync_core::*;

const CUSTOMERS: ResourceName = ResourceName::from_static("contacts");
const NOTES: ResourceName = ResourceName::from_static("notes");
const PAYMENTS: ResourceName = ResourceName::from_static("payments");
const PAYERS: &[ResourceName] = &[CUSTOMERS];

const fn resource(
    name: ResourceName,
    collection: Collection,
    nouns: (&'static str, &'static str),
    depends_on: &'static [ResourceName],
) -> Resource {
    Resource {
        name,
        nouns,
        collection,
        model: "contact",
        update_needs: UpdateNeeds::Nothing,
        matching: Matching::Taken,
        find_max: 50,
        depends_on,
        ..Resource::PLAIN
    }
}

const MAIL: SideEffect = SideEffect { name: "mail", description: "the ledger mails each contact" };

const BLANK: Descriptor = Descriptor {
    call_timeout: Duration::from_secs(10),
    settle: Duration::from_secs(10),
    concurrency: 2,
    ..Descriptor::PLAIN
};

const SERVER: OAuthServer = OAuthServer {
    endpoint: "api",
    authorize_path: "/oauth/authorize",
    token_endpoint: "api",
    token_path: "/oauth/token",
    revoke_path: Some("/oauth/revoke"),
    metadata: None,
    scopes: &["books"],
    client_auth: OAuthClientAuth::Form,
    pkce: true,
    loopback_host: "127.0.0.1",
    authorize_params: &[],
    expires: true,
};

const ENDPOINTS: &[Endpoint] = &[Endpoint { name: "api", url: "https://ledger.example", fallback: None }];

/// A provider that syncs.
pub static LEDGER: Descriptor = Descriptor {
    id: "ledger",
    name: "Ledger",
    description: "Push contacts, notes and payments to the ledger",
    sync_types: &[
        SyncType { name: "contacts", resource: CUSTOMERS, fields: FieldSelection::All },
        SyncType { name: "notes", resource: NOTES, fields: FieldSelection::All },
        SyncType { name: "payments", resource: PAYMENTS, fields: FieldSelection::All },
    ],
    resources: &[
        resource(CUSTOMERS, Collection::CUSTOMERS, ("contact", "contacts"), &[]),
        resource(NOTES, Collection::from_static("notes"), ("note", "notes"), &[]),
        resource(PAYMENTS, Collection::PAYMENTS, ("payment", "payments"), PAYERS),
    ],
    endpoints: ENDPOINTS,
    auth: &[
        AuthScheme::ApiKey {
            fields: &[CredentialField { name: "key", label: "Key", help: "It is on the profile page." }],
            basic_user: None,
            var_from_suffix: None,
        },
        AuthScheme::OAuth(SERVER),
    ],
    effects: &[MAIL],
    ..BLANK
};

/// A provider that reports consent.
pub static CONSENTING: Descriptor = Descriptor {
    id: "mailer",
    name: "Mailer",
    feeds: &[Feed { name: "members", covers: PAYERS, carries_consent: true, budget: "" }],
    ..BLANK
};

/// A provider that is connected by OAuth alone.
pub static OAUTH_ONLY: Descriptor =
    Descriptor { id: "diary", name: "Diary", auth: &[AuthScheme::OAuth(SERVER)], endpoints: ENDPOINTS, ..BLANK };

/// A provider of events.
pub static OUTBOX: Descriptor = Descriptor { id: "hooks", name: "Hooks", kind: Kind::Outbox, ..BLANK };

/// A provider of messages.
pub static PAGER: Descriptor = Descriptor {
    id: "pager",
    name: "Pager",
    description: "Pages people - no sync needed",
    kind: Kind::RealTime { message: "Pages go out as they are written" },
    ..BLANK
};

/// A provider without a sign-in.
pub static OPEN: Descriptor = Descriptor { id: "folder", name: "Folder", ..BLANK };

/// The words of its sign-in.
pub static WORDS: SignInWords = SignInWords {
    scopes: &[("books", "see and change the books")],
    ends: &[
        SignInEnd { sign: EndSign::DaysOld(7), reason: "the ledger ends trials after 7 days", remedy: "Buy the ledger." },
        SignInEnd { sign: EndSign::Any, reason: "somebody withdrew it in the ledger", remedy: "" },
    ],
};

/// Lists can be made.
pub static MAKES: MakesChoice = MakesChoice {
    of: "lists",
    value: "new",
    name: "Customers",
    make: |cx, name, settings| {
        Box::pin(async move {
            assert!(settings.is_object());
            let call = Call::new("make", "api", Method::POST, classify).segments(["made"]);
            cx.send(call.json(&json!([{"id": name}]))?).await?;
            Ok(Choice {
                value: format!("made-{name}"),
                label: name.to_owned(),
                group: None,
                unavailable: None,
                default: false,
            })
        })
    },
};

/// The ledger with its words.
pub const REGISTRATION: Registration = Registration {
    descriptor: &LEDGER,
    build: |_| Ok(Fake::of(&LEDGER)),
    sign_in: &WORDS,
    makes: Some(&MAKES),
    leaves: None,
};

#[derive(Debug)]
pub struct Fake(&'static Descriptor);

impl Fake {
    pub fn of(descriptor: &'static Descriptor) -> Arc<dyn Integration> {
        Arc::new(Self(descriptor))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    list: Option<String>,
    panic: bool,
}

impl Integration for Fake {
    fn descriptor(&self) -> &'static Descriptor {
        self.0
    }

    fn open(&self, connection: Connection) -> Result<Opened> {
        let settings: Settings = connection.settings()?;
        assert!(!settings.panic, "told to panic about canary@example.com");
        Ok(Opened::Sync(Box::new(Handler { settings, is_open: self.0.auth.is_empty() })))
    }

    fn inbound(&self, keys: &dyn WebhookKeys, request: &http::Request<Bytes>) -> Result<Inbound> {
        let signature = request.headers().get("x-signature").map(|value| value.as_bytes());
        if !keys.keys("app").iter().any(|key| signature == Some(&key[..])) {
            return Err(Error::new(ErrorKind::Forbidden, "the signature does not fit"));
        }
        let body: Json = serde_json::from_slice(request.body())
            .map_err(|error| Error::new(ErrorKind::Invalid, "the webhook can't be read").with_source(error))?;
        let word = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let signal = if word("event") == "revoked" { Signal::Revoked } else { Signal::FeedMoved("contacts") };
        let signals = vec![(AccountId::new(word("account")), signal)];
        Ok(Inbound::new(Response::new(Bytes::from_static(b"taken")), DedupeKey(word("delivery")), signals))
    }

    fn settings_schema(&self) -> Json {
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {"list": {"type": "string", "x-choices": "lists"}, "panic": {"type": "boolean"}}
        })
    }
}

#[derive(Debug)]
struct Handler {
    settings: Settings,
    is_open: bool,
}

pub fn classify(response: &Response<Bytes>) -> Result<()> {
    match response.status().as_u16() {
        200 => Ok(()),
        401 => Err(Error::new(ErrorKind::AuthRevoked, "the ledger refused the key").with_remedy("Connect Ledger again.")),
        403 => Err(Error::new(ErrorKind::Invalid, "the ledger takes none of these now").with_remedy("Open the ledger.")),
        429 => Err(Error::new(ErrorKind::RateLimited, "the ledger asks to wait")),
        _ => Err(Error::new(ErrorKind::Unavailable, "the ledger is out of order").with_effect(Effect::Unknown)),
    }
}

pub fn read<T: serde::de::DeserializeOwned>(response: Response<Bytes>) -> Result<T> {
    serde_json::from_slice(response.body())
        .map_err(|error| Error::new(ErrorKind::BadAnswer, "the ledger's answer makes no sense").with_source(error))
}

#[derive(Deserialize)]
struct Me {
    accounts: Vec<(AccountId, String)>,
}

#[async_trait]
impl SyncHandler for Handler {
    fn rules(&self, _: &ResourceName) -> Rules {
        Rules::new([FieldName::from_static("name")].into())
    }

    async fn check(&self, cx: &Context<'_>, check: Check) -> Result<Checked> {
        let mut checked = Checked::default();
        if self.is_open {
            checked.accounts.push(("folder-1".into(), "The folder".to_owned()));
            return Ok(checked);
        }
        let me: Me = read(cx.send(Call::get("me", "api", classify).segments(["me"])).await?)?;
        checked.accounts = me.accounts;
        if check == Check::Settings
            && let Some(list) = &self.settings.list
        {
            let lists: Vec<String> = read(cx.send(Call::get("lists", "api", classify).segments(["lists"])).await?)?;
            if !lists.contains(list) {
                checked.problems.push(Problem {
                    setting: "list".to_owned(),
                    message: "the list is gone".to_owned(),
                    remedy: "Choose another list.".to_owned(),
                });
            }
        }
        Ok(checked)
    }

    async fn choices(&self, cx: &Context<'_>, request: Choices<'_>) -> Result<Vec<Choice>> {
        if request.of != "lists" {
            return Err(Error::new(ErrorKind::NotFound, "there are only lists to choose from"));
        }
        let lists: Vec<String> = read(cx.send(Call::get("lists", "api", classify).segments(["lists"])).await?)?;
        let choice =
            |list: String| Choice { label: list.clone(), value: list, group: None, unavailable: None, default: false };
        Ok(lists.into_iter().map(choice).collect())
    }

    async fn find(&self, _: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
        Ok((0..request.by.len()).map(|_| Found::Absent).collect())
    }

    fn prepare(&self, request: Prepare<'_>) -> Result<Prepared> {
        let group = request.op.resource.as_str().to_owned();
        Ok(Prepared::Parts(vec![Part::new(0, group, 100, Safety::Repeatable)]))
    }

    async fn push(&self, cx: &Context<'_>, request: Push<'_>) -> Result<Vec<Receipt>> {
        let items: Vec<Json> = request
            .set
            .parts
            .iter()
            .map(|part| json!({"id": part.op.local.as_str(), "name": part.op.fields.text("name")}))
            .collect();
        let call = Call::new("put", "api", Method::POST, classify).segments([request.set.group]).json(&items)?;
        let answers: Vec<Json> = read(cx.send(call).await?)?;
        Ok(answers
            .into_iter()
            .map(|answer| match answer["id"].as_str() {
                Some(id) => Receipt::done(RemoteId::new(id)),
                None => Receipt::Refused(
                    Error::new(ErrorKind::Refused, "the ledger refused the record")
                        .with_provider("too-short", answer["error"].as_str().unwrap_or_default())
                        .with_remedy("Give it a longer name."),
                ),
            })
            .collect())
    }

    fn summary(&self, _: &Facts, plan: &PlanDigest<'_>) -> Vec<String> {
        vec![format!("adds {} records to the ledger", plan.creates.values().sum::<u64>())]
    }
}
