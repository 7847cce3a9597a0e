//! Who signed in.
//! Source: <https://googleapis.github.io/google-api-python-client/docs/dyn/oauth2_v2.userinfo.html>.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    answer,
    google::{
        Google,
        access::{OTHER_SCOPES, SCOPE},
        input::Query,
        problem::Problem,
    },
};

impl Google {
    /// `GET /oauth2/v2/userinfo`, with any scope that tells who signed in.
    pub(in crate::google) fn user_info(&mut self, request: &Request<Bytes>) -> Result<Response<Bytes>, Problem> {
        *self.world.operations.entry("userinfo.get").or_default() += 1;
        let query = Query::parse(request.uri().query().unwrap_or_default(), &[])?;
        let access = self.signed_in(request.headers())?;
        if !access.scopes.iter().any(|scope| OTHER_SCOPES.contains(&scope.as_str())) {
            return Err(Problem::scope());
        }
        let mut shown = json!({"id": super::tokens::subject(&access.user)});
        if access.scopes.contains(&format!("{SCOPE}userinfo.email")) {
            shown["email"] = json!(access.user);
            shown["verified_email"] = json!(true);
        }
        if access.scopes.contains(&format!("{SCOPE}userinfo.profile")) {
            let user = self.seed.users.iter().find(|user| user.email == access.user);
            shown["name"] = user.map_or(Value::Null, |user| json!(user.name));
        }
        Ok(answer::json(StatusCode::OK, &query.mask()?.apply(shown)))
    }
}
