//! Look-ups by id and by marker, up to 50 in a call.

use sync_core::{ContainerId, Context, Error, ErrorKind, Find, FindBy, Found, Marker, RemoteId, ResourceName, Result};

use crate::{
    batch, client,
    descriptor::DESCRIPTOR,
    error::{bad_answer, calendar_gone, parse},
    handler::Handler,
    id,
    mapping::{self, Reader},
    model::Event,
};

/// Most generations of one record that are looked at: an event that people deleted so often is not made again by chance.
pub(crate) const MAX_GENERATIONS: u32 = 8;

/// What is there under an id.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Nothing, and nobody knows that there ever was.
    Absent,
    /// Something that was deleted.
    Cancelled,
    /// An event.
    Live(Box<Event>),
}

/// Looks records up.
pub(crate) async fn find(handler: &Handler, cx: &Context<'_>, request: Find<'_>) -> Result<Vec<Found>> {
    let resource = DESCRIPTOR
        .resource(request.resource.as_str())
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, format!("Google Calendar has no {}", request.resource)))?;
    if request.by.len() > resource.find_max {
        return Err(Error::new(ErrorKind::Internal, "too many events are looked up in one call"));
    }
    if request.by.is_empty() {
        return Ok(Vec::new());
    }
    let calendar = handler.read_calendar(request.container)?;
    let seen = match request.by {
        FindBy::Ids(ids) => look(handler, cx, &calendar, ids).await?,
        FindBy::Markers(markers) => generations(handler, cx, &calendar, markers).await?,
        _ => return Err(Error::new(ErrorKind::Unsupported, "Google Calendar finds events by id and by marker alone")),
    };
    // In a calendar that is gone everything is: that proves nothing about its events.
    if seen.iter().all(|seen| matches!(seen, Seen::Absent)) {
        exists(cx, &calendar).await?;
    }
    let reader = Reader { handler, calendar: &calendar };
    Ok(seen.into_iter().map(|seen| found(&reader, &resource.name, seen)).collect())
}

fn found(reader: &Reader<'_>, resource: &ResourceName, seen: Seen) -> Found {
    let event = match seen {
        Seen::Absent => return Found::Absent,
        Seen::Cancelled => return Found::Gone,
        Seen::Live(event) => event,
    };
    // What counts as another kind is no record of this one.
    if mapping::marker(&event).is_some() && mapping::kind(&event).is_some_and(|kind| kind != *resource) {
        return Found::Absent;
    }
    reader.remote(resource.clone(), &event).map_or(Found::Absent, |remote| Found::One(Box::new(remote)))
}

/// What is there under these ids: one call.
///
/// # Errors
/// When one of them can't be told.
pub(crate) async fn look(
    handler: &Handler,
    cx: &Context<'_>,
    calendar: &ContainerId,
    ids: &[RemoteId],
) -> Result<Vec<Seen>> {
    let mut calls: Vec<_> = ids.iter().map(|id| client::event(calendar, id, handler.shown)).collect();
    if calls.len() > 1 {
        let answer = cx.send(batch::batch("events.find", &calls)?).await?;
        let answers = batch::answers(&answer, calls.len());
        let told = calls.iter().zip(answers).map(|(call, answer)| {
            let answer = answer.ok_or_else(|| bad_answer("Google's answer leaves an event out"))?;
            seen((call.classify)(&answer).map(|()| answer))
        });
        return told.collect();
    }
    match calls.pop() {
        Some(call) => Ok(vec![seen(cx.send(call).await)?]),
        None => Ok(Vec::new()),
    }
}

fn seen(answer: Result<http::Response<bytes::Bytes>>) -> Result<Seen> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if error.kind() == ErrorKind::NotFound && error.provider_code() == Some("deleted") => {
            return Ok(Seen::Cancelled);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Seen::Absent),
        Err(error) => return Err(error),
    };
    let event: Event = parse(&answer, "events.get")?;
    if event.id.as_deref().is_none_or(str::is_empty) {
        return Err(bad_answer("Google's answer is no event"));
    }
    Ok(if event.is_cancelled() { Seen::Cancelled } else { Seen::Live(Box::new(event)) })
}

/// The newest generation of each record: a deleted one may have a successor.
async fn generations(handler: &Handler, cx: &Context<'_>, calendar: &ContainerId, markers: &[Marker]) -> Result<Vec<Seen>> {
    let first: Vec<RemoteId> = markers.iter().map(|marker| id::event_id(marker, 0)).collect();
    let mut newest = look(handler, cx, calendar, &first).await?;
    let mut open: Vec<usize> = (0..markers.len()).collect();
    for generation in 1..MAX_GENERATIONS {
        open.retain(|idx| matches!(newest.get(*idx), Some(Seen::Cancelled)));
        let next: Vec<RemoteId> = open.iter().filter_map(|idx| Some(id::event_id(markers.get(*idx)?, generation))).collect();
        let looked = look(handler, cx, calendar, &next).await?;
        let mut ended = Vec::new();
        for (idx, seen) in open.iter().zip(looked) {
            match (seen, newest.get_mut(*idx)) {
                (Seen::Absent, _) | (_, None) => ended.push(*idx),
                (seen, Some(slot)) => *slot = seen,
            }
        }
        open.retain(|idx| !ended.contains(idx));
        if open.is_empty() {
            break;
        }
    }
    Ok(newest)
}

/// Makes sure that a calendar is there.
///
/// # Errors
/// [`ErrorKind::Config`] when it isn't.
pub(crate) async fn exists(cx: &Context<'_>, calendar: &ContainerId) -> Result<()> {
    match cx.send(client::calendar_look(calendar)).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(calendar_gone(&error)),
        answer => answer.map(|_| ()),
    }
}
