use super::*;

#[test]
fn errors_decide_the_exit_code_and_warnings_do_not() {
    let fine = Finding::fine("a", "");
    let warning = Finding::warning("b", "", "");
    let error = Finding::error("c", "", "");
    assert_eq!(exit(&[fine.clone(), warning.clone()]), Exit::Done);
    assert_eq!(exit(&[fine, warning, error.clone()]), Exit::Usage);
    assert_eq!(exit(&[error.clone().by_a_person()]), Exit::NeedsPerson);
    assert_eq!(exit(&[error.clone().by_a_person(), error]), Exit::Usage);
}
