//! Look-ups.

use sync_core::{ErrorKind, Find, FindBy, Found, From, KeysOf, Marker, NaturalKey, Refs, RemoteId, ResourceName};

use crate::conformance::{Harness, Verdict, bench::Bench};

pub(super) async fn a_record_is_found_by_its_id_as_the_feed_shows_it(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let (_, remote) = bench.planted(resource, 0).await;
        if bench.feed(resource).is_some() {
            let listing = bench.list(resource, From::Start).await.folded();
            let shown = listing.get(&remote.id).and_then(Option::as_ref).expect("it is shown");
            assert_eq!(shown.fields, remote.fields);
            assert_eq!((&shown.version, &shown.state, &shown.keys), (&remote.version, &remote.state, &remote.keys));
        }
    }
    Verdict::Held
}

pub(super) async fn answers_come_one_per_key_in_order_and_in_one_call(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let mut wanted: Vec<(RemoteId, bool)> = Vec::new();
        for n in 0..resource.find_max.min(6) {
            if n % 2 == 0 {
                wanted.push((bench.planted(resource, n).await.1.id, true));
            } else {
                wanted.push((absent_id(&bench, resource, n).await, false));
            }
        }
        bench.forget();
        let ids: Vec<RemoteId> = wanted.iter().map(|(id, _)| id.clone()).collect();
        let found = bench.find_by(resource, FindBy::Ids(&ids)).await.expect("a look-up");
        assert_eq!(found.len(), ids.len());
        for ((id, is_there), found) in wanted.iter().zip(&found) {
            match found {
                Found::One(remote) => assert!(*is_there && remote.id == *id, "{id}: another one's answer"),
                Found::Absent | Found::Gone => assert!(!is_there, "{id} is there"),
                Found::Many(_) => panic!("an id is unique"),
            }
        }
        assert_eq!(bench.n_sent(), 1, "one look-up, one call");
    }
    Verdict::Held
}

/// The id that a record would have, or had: of one that was made and deleted for good.
async fn absent_id(bench: &Bench<'_>, resource: &sync_core::Resource, n: usize) -> RemoteId {
    let (_, remote) = bench.planted(resource, n).await;
    if bench.harness.act(resource, &remote.id, crate::conformance::Act::Delete).await {
        return remote.id;
    }
    no_id(&remote.id, n)
}

/// As long as a real id, and none.
fn no_id(id: &RemoteId, n: usize) -> RemoteId {
    let digit = char::from_digit(n as u32 % 10, 10).unwrap_or('0');
    id.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { digit } else { c }).collect::<String>().into()
}

pub(super) async fn what_is_not_there_is_absent_and_no_error(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let (_, remote) = bench.planted(resource, 0).await;
        assert_eq!(bench.find(resource, &no_id(&remote.id, 0)).await, Found::Absent);
    }
    Verdict::Held
}

pub(super) async fn a_record_is_found_by_what_identifies_it(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let mut n_seen = 0;
    for resource in bench.resources() {
        let (record, remote) = bench.planted(resource, 0).await;
        let Some(key) = bench.key(resource, &record) else { continue };
        let spelled = NaturalKey::of(key.field().clone(), &key.value().to_uppercase()).expect("a key");
        for key in [key.clone(), spelled] {
            match &bench.find_by(resource, FindBy::Keys(&[key])).await.expect("a look-up")[..] {
                [Found::One(found)] => assert_eq!(found.id, remote.id),
                other => panic!("{other:?}"),
            }
        }
        let nobody = bench.key(resource, &harness.record(resource, 77)).expect("a key");
        assert_eq!(bench.find_by(resource, FindBy::Keys(&[nobody])).await.expect("a look-up"), [Found::Absent]);
        n_seen += 1;
    }
    if n_seen == 0 { Verdict::Spared("nothing is found by content") } else { Verdict::Held }
}

pub(super) async fn a_record_here_has_keys_of_its_counterpart_where_evidence_is_weighed(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let mut n_seen = 0;
    for resource in bench.resources() {
        let evidence = bench.handler.rules(&resource.name).evidence;
        if evidence.is_empty() {
            continue;
        }
        let (record, remote) = bench.planted(resource, 0).await;
        let here = bench.handler.keys(KeysOf::new(&resource.name, &record, &Refs::new()));
        let counts = |key: &&NaturalKey| evidence.iter().any(|one| one.keys.contains(key.field()));
        // Who is not recognised is made once more.
        assert!(here.iter().filter(counts).any(|key| remote.keys.contains(key)), "{} are not recognised", resource.name);
        n_seen += 1;
    }
    if n_seen == 0 { Verdict::Spared("nothing is recognised by evidence") } else { Verdict::Held }
}

pub(super) async fn asking_for_nothing_sends_nothing(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        assert_eq!(bench.find_by(resource, FindBy::Ids(&[])).await.expect("no keys, no answers"), []);
    }
    assert_eq!(bench.n_sent(), 0);
    Verdict::Held
}

pub(super) async fn markers_are_looked_up_or_said_to_be_unknown(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let marker = Marker::new("0".repeat(Marker::LEN));
        match bench.find_by(resource, FindBy::Markers(&[marker])).await {
            Ok(found) => assert_eq!(found, [Found::Absent]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert_eq!(bench.n_sent(), 0);
            }
        }
    }
    Verdict::Held
}

pub(super) async fn another_providers_resource_is_refused(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    let unknown = ResourceName::from_static("no-such-resource");
    let request = Find::new(&unknown, None, FindBy::Ids(&[]));
    if let Ok(found) = bench.handler.find(&bench.context(), request).await {
        assert_eq!(found, []);
    }
    let ids = [RemoteId::from_static("1")];
    let error = bench.handler.find(&bench.context(), Find::new(&unknown, None, FindBy::Ids(&ids))).await;
    assert_eq!(error.err().map(|error| error.kind()), Some(ErrorKind::Unsupported));
    assert_eq!(bench.n_sent(), 0);
    Verdict::Held
}

pub(super) async fn an_id_with_odd_characters_stays_one_id(harness: &dyn Harness) -> Verdict {
    let bench = Bench::new(harness).await;
    for resource in bench.resources() {
        let odd = RemoteId::from_static("a&b#c+d /e?f=g%41é");
        let found = bench.find_by(resource, FindBy::Ids(std::slice::from_ref(&odd))).await;
        match found {
            Ok(found) => assert_eq!(found, [Found::Absent]),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Refused), "{error}")
            }
        }
        // A look-up may be followed by one at where it should lie.
        let asked: Vec<String> = bench.wire.take_log().iter().map(|sent| sent.uri.to_string()).collect();
        let escaped = "a%26b%23c%2Bd%20%2Fe%3Ff%3Dg%2541%C3%A9";
        let names_it = |text: &String| text.contains(escaped) || text.contains(&escaped.replace("%20", "+"));
        assert!(asked.is_empty() || asked.iter().any(names_it), "not escaped, or twice: {asked:?}");
    }
    Verdict::Held
}
