//! Which organisations a token reaches.
//! Source: Xero's description of the identity service.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    answer,
    xero::{Xero, id::Id, input::Query, problem::Problem},
};

/// To a ten-millionth of a second, without a zone, as the description's example has it.
fn time(at: Timestamp) -> Value {
    json!(at.strftime("%Y-%m-%dT%H:%M:%S.%7f").to_string())
}

impl Xero {
    /// `GET /connections`: a bare list.
    pub(in crate::xero) fn list_connections(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Problem> {
        let query = Query::parse(request.uri().query().unwrap_or_default(), &["authEventId"])?;
        let access = self.signed_in(request.headers())?;
        let event = query.ids("authEventId")?.and_then(|ids| ids.first().copied());
        let theirs = self.oauth.connections.iter().filter(|one| one.client == access.client && one.user == access.user);
        let shown: Vec<Value> = theirs
            .filter(|one| event.is_none_or(|event| one.event == event))
            .map(|one| {
                let name = self.companies.get(&one.tenant).map(|company| company.name.clone()).unwrap_or_default();
                json!({
                    "id": one.id.json(), "authEventId": one.event.json(), "tenantId": one.tenant.json(),
                    "tenantType": "ORGANISATION", "tenantName": name, "createdDateUtc": time(one.created),
                    "updatedDateUtc": time(one.updated),
                })
            })
            .collect();
        Ok(answer::json(StatusCode::OK, &shown))
    }

    /// `DELETE /connections/{id}`.
    pub(in crate::xero) fn delete_connection(
        &mut self,
        request: &Request<Bytes>,
        id: &str,
    ) -> Result<Response<Bytes>, Problem> {
        Query::parse(request.uri().query().unwrap_or_default(), &[])?;
        let access = self.signed_in(request.headers())?.clone();
        let id = Id::parse(id).ok_or_else(Problem::not_found)?;
        let before = self.oauth.connections.len();
        self.oauth.connections.retain(|one| one.id != id || one.client != access.client || one.user != access.user);
        if self.oauth.connections.len() == before {
            Err(Problem::not_found())
        } else {
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
    }
}
