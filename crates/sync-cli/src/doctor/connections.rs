//! Each connection, asked at the provider.

use sync_dispatch::{ConnectionRow, ConnectionStatus};

use super::Finding;
use crate::{
    app::{Workbench, integration_name},
    exit::Exit,
};

pub(super) async fn look(bench: &Workbench, row: &ConnectionRow) -> Vec<Finding> {
    let scope = &row.scope;
    let connect = format!("Connect it again: syncctl connect {} --org {}", scope.integration, scope.organization);
    if let ConnectionStatus::Disconnected { since } = &row.status {
        let message = format!("{scope}: disconnected since {}", since.strftime("%Y-%m-%d"));
        return vec![Finding::fine("connection", message)];
    }
    let health = match bench.dispatcher.check(scope).await {
        Ok(health) => health,
        Err(error) => {
            let finding = Finding::error(
                "connection",
                format!("{scope}: {error}"),
                error.remedy().unwrap_or("Try again later; if it stays, check the network and the provider's status page."),
            );
            return vec![if Exit::of_error(&error) == Exit::NeedsPerson { finding.by_a_person() } else { finding }];
        }
    };
    let mut findings = Vec::new();
    if let Some(error) = &health.error {
        findings.push(Finding::error("connection", format!("{scope}: {error}"), connect).by_a_person());
    } else if let ConnectionStatus::Reconnect { reason, .. } = &health.status {
        findings.push(Finding::error("connection", format!("{scope}: {reason}"), connect).by_a_person());
    }
    for problem in &health.problems {
        let message = format!("{scope}: setting {}: {}", problem.setting, problem.message);
        findings.push(Finding::error("settings", message, problem.remedy.clone()).by_a_person());
    }
    if findings.is_empty() {
        let account = health.account_name.as_deref().unwrap_or("the account");
        let name = integration_name(&scope.integration);
        let setup = match health.status {
            ConnectionStatus::Setup => "; its first plan waits for approval",
            _ => "",
        };
        findings.push(Finding::fine("connection", format!("{scope}: {name} answers for {account}{setup}")));
    }
    findings
}
