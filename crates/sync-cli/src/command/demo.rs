//! `demo`: the main jobs on a sample shop, against doubles on this machine.

mod books;
mod captain;
mod folder;
mod ledger;
mod other_side;
mod stage;

use std::{sync::Arc, time::Instant};

use serde::Serialize;
use serde_json::{Value, json};
use sync_core::{Collection, Error, ErrorKind, Result, Scope, Stop, SyncResult};
use sync_dispatch::{Configured, ConnectOptions, http::system_clock};
use sync_sandbox::{Mailchimp, Sandbox, SandboxOptions, serve};
use tokio::sync::watch;

use super::{
    import,
    sandbox::{API_KEY, Address, listen},
    sync,
};
use crate::{
    app::{App, Make, Workbench, known_providers},
    args::DemoArgs,
    config::{Config, Flags},
    exit::Exit,
    import::{ColumnRules, ConsentRules, ImportOptions, Source},
    output::{Bar, Output, count, thousands},
    shop::{Shop, ShopRecords},
};
use books::Bookkeeper;
use captain::Captain;
use folder::Folder;
use other_side::Seen;
use stage::Stage;

/// The integration that is shown.
const INTEGRATION: &str = "mailchimp";

/// What the demo did, as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    success: bool,
    customers: import::Imported,
    before: Seen,
    plan: SyncResult,
    first_sync: SyncResult,
    next_day: SyncResult,
    again: SyncResult,
    again_message: String,
    after: Seen,
    story: Vec<String>,
    calendar: captain::Shown,
    books: books::Shown,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

/// Shows it.
pub(super) async fn run(args: &DemoArgs, database: Option<String>, out: Output) -> Result<Exit> {
    let folder = Folder::open(args.keep.as_deref())?;
    let shop = Shop::open()?;
    let listener = listen(0).await?;
    let port = listener.local_addr().map(|address| address.port()).unwrap_or_default();
    let sandbox = Sandbox::new(Mailchimp::new(shop.mailchimp(API_KEY)), SandboxOptions::default(), Arc::new(system_clock()));
    let calendar = captain::sandbox(&shop);
    let calendar_listener = listen(0).await?;
    let calendar_port = calendar_listener.local_addr().map(|address| address.port()).unwrap_or_default();
    let company = books::sandbox(&shop);
    let company_listener = listen(0).await?;
    let company_port = company_listener.local_addr().map(|address| address.port()).unwrap_or_default();
    let (stop, stopped) = watch::channel(false);
    let until = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let serving = tokio::spawn(serve(sandbox.clone(), listener, until(stopped.clone())));
    let serving_calendar = tokio::spawn(serve(calendar.clone(), calendar_listener, until(stopped.clone())));
    let serving_company = tokio::spawn(serve(company.clone(), company_listener, until(stopped)));
    folder.write(&shop, &Address::of(port), calendar_port, company_port)?;
    let flags = Flags { config: Some(folder.config()), database, ..Flags::default() };
    // The environment is the user's own set-up, which a demo has no business with.
    let mut config = Config::load(flags, &|_| None, &known_providers())?;
    config.limits = books::limits();
    let app = App { config, out };
    app.must_be_new().await?;
    let (boat, day) = shop.yard(captain::today());
    let bench = app.open_as(Make::Yes, None, |records| Arc::new(ShopRecords::new(records, boat, day)), None).await?;
    let demo = Demo {
        app: &app,
        bench: &bench,
        shop: &shop,
        sandbox: &sandbox,
        calendar: &calendar,
        company: &company,
        folder: &folder,
    };
    let shown = demo.show().await;
    bench.close().await;
    let _ = stop.send(true);
    let _ = tokio::join!(serving, serving_calendar, serving_company);
    let document = shown?;
    let exit = if document.success { Exit::Done } else { Exit::ItemsFailed };
    out.document(&document);
    if folder.is_kept() {
        folder.tell(out, &shop);
    }
    Ok(exit)
}

struct Demo<'a> {
    app: &'a App,
    bench: &'a Workbench,
    shop: &'a Shop,
    sandbox: &'a Sandbox,
    calendar: &'a Sandbox,
    company: &'a Sandbox,
    folder: &'a Folder,
}

impl Demo<'_> {
    async fn show(&self) -> Result<Document> {
        let started = Instant::now();
        let out = self.app.out;
        let scope = Scope::new(self.shop.organization.clone(), INTEGRATION);
        let stage = Stage { app: self.app, bench: self.bench, scope: scope.clone() };

        out.say(format!(
            "{} keeps its customers in a table of its own; its marketer keeps an audience in Mailchimp.\n",
            self.shop.name
        ));
        let customers = self.import().await?;
        let all = customers.added;
        out.say(format!(
            "1. Imported {} from customers.csv; {} agreed to the newsletter.",
            count(all, "customer", "customers"),
            thousands(customers.consenting)
        ));

        let before = Seen::of(self.sandbox, self.shop);
        self.connect(&scope).await?;
        out.say(format!(
            "2. Connected to audience {}: {} members, {} unsubscribed, {} bounced, {} archived.",
            self.shop.audience_name(),
            thousands(before.subscribed),
            thousands(before.unsubscribed),
            thousands(before.cleaned),
            thousands(before.archived)
        ));

        let plan = stage.run(true, None).await;
        out.say("3. The plan, before anything is sent:");
        sync::tell(out, &plan);
        let hash = plan.details.as_ref().and_then(|details| details.plan_hash.clone());

        let first_sync = stage.run(false, hash).await;
        out.say("4. The first sync, with that plan approved:");
        stage.tell(&first_sync);

        let next = self.shop.next_day();
        let n_next = next.len() as u64;
        let rows = next.into_iter().map(crate::shop::Customer::into_row).collect();
        self.bench.records.upsert(&scope.organization, &Collection::CUSTOMERS, rows).await?;
        let next_day = stage.run(false, None).await;
        out.say(format!("5. The next day {} changed or came; only they go:", count(n_next, "customer", "customers")));
        stage.tell(&next_day);

        let again = stage.run(false, None).await;
        let again_message = stage.message(&again).unwrap_or_default();
        out.say(format!("6. And once more: {again_message}\n"));
        for line in again.errors.iter().flatten() {
            out.note(format!("  {line}"));
        }

        let after = Seen::of(self.sandbox, self.shop);
        let story = other_side::story(&before, &after, &first_sync);
        story.iter().for_each(|line| out.say(line));
        let captain = Captain { app: self.app, bench: self.bench, shop: self.shop, sandbox: self.calendar };
        let calendar = captain.show().await?;
        let keeper = Bookkeeper { app: self.app, bench: self.bench, shop: self.shop, sandbox: self.company };
        let books = keeper.show().await?;
        let seconds = started.elapsed().as_secs_f64();
        out.say(format!("\nAll of it took {seconds:.1} s, and nothing left this machine."));
        let mut all = vec![&plan, &first_sync, &next_day, &again, &calendar.plan, &calendar.first_sync];
        all.extend([&calendar.next_day, &calendar.answered, &calendar.again]);
        all.extend(books.runs());
        let success = all.iter().all(|result| in_order(result));
        Ok(Document {
            success,
            customers,
            before,
            plan,
            first_sync,
            next_day,
            again,
            again_message,
            after,
            story,
            calendar,
            books,
            seconds,
            kept: self.folder.is_kept().then(|| self.folder.path().display().to_string()),
        })
    }

    async fn import(&self) -> Result<import::Imported> {
        let options = ImportOptions {
            columns: ColumnRules { consent: Some("Newsletter".to_owned()), ..ColumnRules::default() },
            consent: Some(ConsentRules::new(jiff::Timestamp::now())),
            ..ImportOptions::default()
        };
        let source = Source::open(&self.folder.customers(), options)?;
        let bar = Bar::new(self.app.out);
        import::import(&source, &self.bench.records, &self.shop.organization, false, &bar).await
    }

    async fn connect(&self, scope: &Scope) -> Result<()> {
        let dispatcher = &self.bench.dispatcher;
        dispatcher.connect_with_key(scope, API_KEY.to_owned().into(), ConnectOptions::new()).await?;
        match dispatcher.configure(scope, self.settings()).await? {
            Configured::Stored => Ok(()),
            Configured::Refused(problems) => {
                let problem = problems.into_iter().next();
                let (message, remedy) = problem.map(|problem| (problem.message, problem.remedy)).unwrap_or_default();
                Err(Error::new(ErrorKind::Internal, message).with_remedy(remedy))
            }
        }
    }

    fn settings(&self) -> Value {
        json!({
            "audience": self.shop.audience_id(),
            "merge_fields": {
                "FNAME": "first_name",
                "LNAME": "last_name",
                self.shop.required_merge_field(): "language",
            },
        })
    }
}

/// True when a step went as it should: a plan of a first sync waits for approval, and that is in order.
fn in_order(result: &SyncResult) -> bool {
    result.success || result.details.as_ref().and_then(|details| details.stopped) == Some(Stop::Approval)
}
