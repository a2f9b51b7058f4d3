//! Tables of both forms, every mistake with its code, and tables that come back as they went.

use serde_json::Value as Json;

use super::*;

const CSV: &str = include_str!("../../../../profiles/ctwing/Sensor_Acme01_CT1.csv");
const JSON: &str = include_str!("../../../../profiles/ctwing/Sensor_Acme01_CT1.json");
const HEAD: &str = "serviceId,service,serviceName,kind,command,parameter,parameterName,type,length,min,max,step,unit\n";

fn import(name: &str, text: &str) -> ThingModel {
    import_service_table(name, text.as_bytes(), Identity::default()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

/// The codes and pointers that a table is told.
fn told(text: &str) -> Vec<(&'static str, String)> {
    let mistakes = match import_service_table("D_A_M.csv", text.as_bytes(), Identity::default()) {
        Ok(model) => model.warnings,
        Err(mistakes) => mistakes,
    };
    assert!(mistakes.iter().all(|mistake| mistake.reason.len() > 8 && mistake.fix.len() > 4), "{mistakes:#?}");
    mistakes.into_iter().map(|mistake| (mistake.code, mistake.pointer)).collect()
}

#[test]
fn both_forms_of_a_table_say_the_same() {
    let (csv, json) = (import("Sensor_Acme01_CT1.csv", CSV), import("table.json", JSON));
    assert_eq!(csv.profile.to_json(), json.profile.to_json());
    assert_eq!(csv.layout, json.layout);
    assert_eq!(csv.warnings, []);
    assert_eq!(csv.profile.key().to_string(), "Acme01/CT1");
    let layout: Json = serde_json::from_str(&csv.layout).unwrap();
    let types = |message: &str| -> Vec<String> {
        let messages = layout["messages"].as_array().unwrap();
        let fields = messages.iter().find(|one| one["name"] == message).unwrap()["fields"].as_array().unwrap();
        fields.iter().map(|field| field["type"].as_str().unwrap().to_owned()).collect()
    };
    // A limit that no signed number of that width reaches means that it is none.
    assert_eq!(types("signal"), ["const", "const", "int16u", "int16s", "int16u"]);
    assert_eq!(types("sensor_report"), ["const", "const", "int16u", "int32s", "array", "varstring", "unixMs"]);
    assert_eq!(types("control"), ["const", "const", "int16u", "int16u", "int8s"]);
}

#[test]
fn a_profile_becomes_the_table_again() {
    let first = import("Sensor_Acme01_CT1.csv", CSV);
    for text in [to_csv("profile.json", &first.profile).unwrap(), to_json("profile.json", &first.profile).unwrap()] {
        let again = import("Sensor_Acme01_CT1.csv", &text);
        assert_eq!(again.profile.to_json(), first.profile.to_json());
        assert_eq!(again.layout, first.layout, "{text}");
    }
    let plain = include_str!("../../../../plugins/water-meter/profile.json");
    let mistakes = to_csv("profile.json", &Profile::parse("profile.json", plain).unwrap()).unwrap_err();
    assert!(mistakes.iter().any(|mistake| mistake.code == code::BAD_SERVICE_ID), "{mistakes:#?}");
}

#[test]
fn the_console_s_own_words_are_understood() {
    let text = "服务ID,服务标识,服务类型,参数标识,数据类型,长度\n7,temp,数据上报,t,单精度浮点,4\n8,ctl,指令下发,on,布尔,\n9,ctl_resp,指令下发响应,r,整型,1\n";
    let model = import("D_A_M.csv", text);
    assert_eq!(model.profile.services()[1].commands[0].response_number, Some(9), "the only command");
}

#[test]
fn a_table_that_does_not_say_whose_it_is_asks() {
    let text = CSV.as_bytes();
    let unknown = import_service_table("table.csv", text, Identity::default()).unwrap_err();
    assert_eq!(unknown.iter().filter(|mistake| mistake.code == code::NO_PRODUCT).count(), 3);
    let given = Identity { manufacturer_id: Some("X".into()), model: Some("Y".into()), device_type: Some("Z".into()) };
    let model = import_service_table("D_A_M.csv", text, given).unwrap();
    assert_eq!(model.profile.key().to_string(), "X/Y", "what is said counts more than the file's name");
}

#[test]
fn every_mistake_of_a_table_is_told_at_once() {
    let lines = "70000,a,,data report,,x,,int,4,,,,\n\
                 1,b,,telemetry,,x,,int,4,,,,\n\
                 2,c,,data report,,x,,quux,4,,,,\n\
                 3,d,,data report,,x,,int,3,,,,\n\
                 4,e,,data report,,x,,int,4,low,,,\n\
                 5,f,,data report,,x,,int,four,,,,\n\
                 6,g,,data report,,x,,int,4,,,,\n\
                 6,h,,data report,,y,,int,4,,,,\n\
                 7,i,,command,,x,,int,4,,,,\n\
                 8,j,,command,,x,,int,4,,,,\n\
                 9,k,,command response,,x,,int,4,,,,\n\
                 10,m,,data report,,x,,int,4,,,,\n\
                 10,m,,data report,,x,,int,4,,,,\n\
                 11,m,,data report,,x,,int,4,,,,\n\
                 11,n,,event report,,x,,int,4,,,,\n";
    assert_eq!(
        told(&format!("{HEAD}{lines}")),
        [
            (code::BAD_SERVICE_ID, "/2/serviceId".to_owned()),
            (code::UNKNOWN_KIND, "/3/kind".to_owned()),
            (code::UNKNOWN_TYPE, "/4/type".to_owned()),
            (code::BAD_LIMIT, "/6/min".to_owned()),
            (code::PARAMETER_LENGTH, "/7/length".to_owned()),
            (code::SERVICE_CONTRADICTS, "/9".to_owned()),
            (code::PARAMETER_LENGTH, "/5/length".to_owned()),
            (code::DUPLICATE_PARAMETER, "/14".to_owned()),
            (code::DUPLICATE_SERVICE, "/15".to_owned()),
            (code::DUPLICATE_NUMBER, "/16".to_owned()),
            (code::RESPONSE_OF_WHOM, "/12".to_owned()),
        ]
    );
}

#[test]
fn what_is_no_table_is_told_apart() {
    assert_eq!(told(""), [(code::TABLE_FORM, String::new())]);
    assert_eq!(told("a,b,c\n1,2,3\n")[0], (code::UNKNOWN_VENDOR_KEY, "/1".to_owned()));
    assert!(told("a,b,c\n1,2,3\n").contains(&(code::TABLE_FORM, "/1".to_owned())));
    assert_eq!(told(HEAD), [(code::EMPTY_SERVICE, String::new())]);
    assert_eq!(told("{\"services\": 5}")[0], (code::NOT_AN_ARRAY, "/services".to_owned()));
    let reference =
        "{\"services\": [{\"serviceId\": 1, \"identifier\": \"a\", \"kind\": \"data report\", \"params\": [\"nothing\"]}]}";
    assert_eq!(told(reference), [(code::UNKNOWN_PROPERTY, "/services/0/params/0".to_owned())]);
    assert_eq!(told("{\"services\": [{\"serviceId\": \"x\", \"kind\": 5}]}").len(), 5);
}

#[test]
fn a_command_takes_its_response_by_name() {
    let text = format!(
        "{HEAD}1,open,,command,,x,,int,4,,,,\n2,close,,command,,x,,int,4,,,,\n\
         3,closeResp,,command response,,r,,int,1,,,,\n4,open,,command response,,r,,int,1,,,,\n"
    );
    let model = import("D_A_M.csv", &text);
    let numbers: Vec<Option<u16>> = model.profile.services().iter().map(|service| service.commands[0].response_number).collect();
    assert_eq!(numbers, [Some(4), Some(3)]);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_table_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        if let Err(mistakes) = import_service_table("D_A_M.csv", &bytes, Identity::default()) {
            proptest::prop_assert!(!mistakes.is_empty());
        }
    }
}
