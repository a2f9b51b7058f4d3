//! `profile/devicetype-capability.json` (REFERENCE A.3): who made the device and which services it has.

use serde_json::{Map, Value as Json};

use super::super::mistake::{At, code, quote};
use super::super::suggest;
use super::reader::Node;
use super::{Import, Origins};

/// Protocols of the device API of 2019 (REFERENCE A.3.1).
const PROTOCOLS: [&str; 11] =
    ["CoAP", "huaweiM2M", "Z-Wave", "ONVIF", "WPS", "Hue", "WiFi", "J808", "Gateway", "ZigBee", "LWM2M"];

/// The fields that the file name repeats.
pub(super) struct NameParts {
    device_type: String,
    manufacturer_id: String,
    /// None = the document has none; `deviceType` stands in (REFERENCE G.27).
    model: Option<String>,
}

impl NameParts {
    /// `deviceType_manufacturerId_`
    pub(super) fn prefix(&self) -> String {
        format!("{}_{}_", self.device_type, self.manufacturer_id)
    }

    /// `deviceType_manufacturerId_model`
    pub(super) fn stem(&self) -> String {
        self.prefix() + self.model.as_deref().unwrap_or(&self.device_type)
    }

    pub(super) fn model_is_missing(&self) -> bool {
        self.model.is_none()
    }
}

/// A service that the device document names.
pub(super) struct ServiceUse {
    pub(super) at: At,
    pub(super) service_id: String,
    pub(super) service_type: String,
}

/// What the device document says.
#[derive(Default)]
pub(super) struct Device {
    /// None if one of the parts is missing.
    pub(super) name: Option<NameParts>,
    /// The head of our document.
    pub(super) head: Map<String, Json>,
    pub(super) services: Vec<ServiceUse>,
}

/// Reads the device document. Fields that are missing were told and are left out.
pub(super) fn read(at: &At, document: &Json, import: &mut Import) -> Device {
    let mut device = Device::default();
    let Some(root) = Node::new(at.clone(), document, import) else { return device };
    root.only(&["devices"], import);
    let place = at.key("devices");
    let list = match root.map.get("devices") {
        Some(Json::Array(list)) => list.as_slice(),
        _ => &[],
    };
    let [only] = list else {
        let reason = format!("`devices` is an array of exactly one device, found {}", list.len());
        let fix = "write {\"devices\": [ { ... } ]}; one package describes one product";
        import.error(&place, code::NOT_ONE_DEVICE, reason, fix);
        return device;
    };
    let Some(node) = Node::new(place.item(0), only, import) else { return device };
    const KEYS: [&str; 7] =
        ["manufacturerId", "manufacturerName", "model", "protocolType", "deviceType", "omCapability", "serviceTypeCapabilities"];
    node.only(&KEYS, import);
    let manufacturer_id = node.required_text("manufacturerId", import);
    let device_type = node.required_text("deviceType", import);
    let model = node.optional_text("model", import);
    if model.is_none() {
        let fix = "add `model`; without it the deviceType stands in for it";
        import.deviation(&node.at, code::NO_MODEL, "`model` is missing", fix);
    }
    let top = At::file(super::CONVERTED);
    let mut put = |ours: &str, theirs: &str, value: Option<&str>, origins: &mut Origins| {
        if let Some(value) = value {
            origins.add(&top.key(ours), &node.at.key(theirs));
            device.head.insert(ours.to_owned(), value.into());
        }
    };
    put("manufacturerId", "manufacturerId", manufacturer_id, &mut import.origins);
    let manufacturer_name = node.optional_text("manufacturerName", import);
    put("manufacturerName", "manufacturerName", manufacturer_name, &mut import.origins);
    put("model", if model.is_some() { "model" } else { "deviceType" }, model.or(device_type), &mut import.origins);
    put("deviceType", "deviceType", device_type, &mut import.origins);
    let protocol = node.optional_text("protocolType", import);
    put("protocolType", "protocolType", protocol, &mut import.origins);
    for key in ["manufacturerName", "protocolType"] {
        if node.value(key).is_none() {
            import.deviation(&node.at, code::VENDOR_KEY, format!("`{key}` is missing"), format!("add `{key}`"));
        }
    }
    if let Some(protocol) = protocol.filter(|protocol| !PROTOCOLS.contains(protocol)) {
        let reason = format!("{} is no protocol of the platform", quote(protocol));
        import.warning(&node.at.key("protocolType"), code::UNKNOWN_PROTOCOL, reason, suggest::advice(protocol, &PROTOCOLS));
    }
    if let Some(capability) = node.value("omCapability") {
        if capability.is_object() {
            device.head.insert("capabilities".to_owned(), capability.clone());
        } else {
            let fix = "write an object, or leave it out";
            import.deviation(&node.at.key("omCapability"), code::VENDOR_KEY, "`omCapability` is no object", fix);
        }
    }
    device.services = read_services(&node, import);
    if let (Some(device_type), Some(manufacturer_id)) = (device_type, manufacturer_id) {
        device.name = Some(NameParts {
            device_type: device_type.to_owned(),
            manufacturer_id: manufacturer_id.to_owned(),
            model: model.map(str::to_owned),
        });
        if device_type.starts_with(char::is_lowercase) {
            let reason = format!("device types begin with a capital letter by custom, {} does not", quote(device_type));
            import.warning(&node.at.key("deviceType"), code::NAMING_STYLE, reason, "rename it if nothing depends on it");
        }
    }
    device
}

fn read_services(node: &Node<'_>, import: &mut Import) -> Vec<ServiceUse> {
    let mut services = Vec::new();
    let list = node.required_list("serviceTypeCapabilities", import);
    let place = node.at.key("serviceTypeCapabilities");
    for (index, entry) in list.iter().enumerate() {
        let Some(entry) = Node::new(place.item(index), entry, import) else { continue };
        entry.only(&["serviceId", "serviceType", "option"], import);
        let service_id = entry.required_text("serviceId", import);
        let service_type = entry.required_text("serviceType", import);
        if let (Some(service_id), Some(service_type)) = (service_id, service_type) {
            let (service_id, service_type) = (service_id.to_owned(), service_type.to_owned());
            services.push(ServiceUse { at: entry.at, service_id, service_type });
        }
    }
    if list.is_empty() {
        let fix = "name each service: {\"serviceId\": \"Meter\", \"serviceType\": \"Meter\", \"option\": \"Optional\"}";
        import.error(&place, code::VENDOR_KEY, "the device has no services", fix);
    }
    services
}
