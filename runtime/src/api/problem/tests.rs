//! Every refusal has its status and its stable code.

use super::*;
use crate::admission::Check;
use crate::model::{CommandState, ProductId};

#[test]
fn codes_are_unique_sorted_and_of_the_class_of_their_status() {
    let texts: Vec<&str> = Code::ALL.iter().map(|code| code.row().0).collect();
    assert!(texts.is_sorted() && texts.windows(2).all(|pair| pair[0] != pair[1]), "{texts:?}");
    for code in Code::ALL {
        let (text, status, title) = code.row();
        assert!(status.is_client_error() || status.is_server_error(), "{text}");
        assert_eq!(status.is_server_error(), text.starts_with("E45"), "{text}");
        assert!(!title.is_empty());
    }
}

#[test]
fn each_error_has_its_status_and_code() {
    let check = |problem: Problem, status: u16, code: &str| {
        let body = problem.body();
        assert_eq!((body.status, body.code), (status, code), "{body:?}");
        assert!(body.kind.ends_with(code) && !body.detail.is_empty());
    };
    check(StoreError::Busy.into(), 503, "E4501");
    check(StoreError::Conflict("device").into(), 409, "E4304");
    check(StoreError::Exists("endpoint x".to_owned()).into(), 409, "E4302");
    check(StoreError::TooLarge(1).into(), 413, "E4007");
    check(StoreError::Corrupt { what: "device", why: "short".to_owned() }.into(), 500, "E4503");
    check(StoreError::Fatal("disk".to_owned()).into(), 503, "E4502");
    check(CatalogError::InUse { product: ProductId(1), devices: 3 }.into(), 409, "E4303");
    check(CatalogError::NoProduct(ProductId(1)).into(), 404, "E4201");
    let refused = |check: &'static str, code: &'static str| {
        let findings = vec![member("", code, "it is wrong", "mend it")];
        let checks = vec![Check { check, outcome: Outcome::Refused, detail: String::new(), findings }];
        CatalogError::NotAdmitted(Report { checks, costs: Vec::new() })
    };
    check(refused("tables", "E2201").into(), 422, "E4403");
    check(refused("profile", "E2101").into(), 422, "E4402");
    check(refused("component", "E1004").into(), 422, "E1004");
    check(CatalogError::Store(StoreError::Busy).into(), 503, "E4501");
    check(CommandError::TooLate(CommandState::Sent).into(), 409, "E4305");
    check(CommandError::TooMany(20).into(), 429, "E4406");
    check(CommandError::NoCodec.into(), 409, "E4306");
}

#[test]
fn a_busy_store_says_when_to_ask_again() {
    let response = Problem::from(StoreError::Busy).into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap(), "1");
    assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "application/problem+json");
}

#[test]
fn json_errors_name_line_and_column() {
    let syntax = serde_json::from_str::<serde_json::Value>("{\n  \"a\": }").unwrap_err();
    let problem = Problem::from(syntax);
    let body = problem.body();
    assert_eq!((body.status, body.line, body.column), (400, Some(2), Some(8)));
    let shape = serde_json::from_str::<Vec<u8>>("[300]").unwrap_err();
    assert_eq!(Problem::from(shape).body().status, 422);
}
