//! From the files of a package to one document of ours: services found by type, commands and properties converted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::super::mistake::{At, code, quote};
use super::super::structure::read_json;
use super::super::suggest;
use super::device::{self, ServiceUse};
use super::fields::{self, Role};
use super::layout::PackageFiles;
use super::reader::Node;
use super::{Import, check_file_name};

/// A service document that is JSON.
struct ServiceDocument {
    at: At,
    folder: Option<String>,
    json: Json,
}

/// The document, as complete as the package allows.
pub(super) fn document(package: &At, files: PackageFiles, import: &mut Import) -> Json {
    let PackageFiles { device, services, service_folders } = files;
    let mut unreadable = BTreeSet::new();
    let mut documents = Vec::with_capacity(services.len());
    for service in services {
        let at = At::file(&service.file.path);
        match read_json(&at, &service.file.contents, &mut import.findings) {
            Some(json) => documents.push(ServiceDocument { at, folder: service.folder, json }),
            None => unreadable.extend(service.folder),
        }
    }
    let Some(device) = device else {
        let at = At::file("profile/devicetype-capability.json");
        let fix = "pack the folder profile with devicetype-capability.json in it, at the top of the zip";
        import.error(&at, code::NO_DEVICE_FILE, "the package has no device document", fix);
        // The services are still worth examining.
        let uses = documents.iter().map(|document| ServiceUse {
            at: document.at.clone(),
            service_id: document.type_name().to_owned(),
            service_type: document.type_name().to_owned(),
        });
        let uses: Vec<_> = uses.collect();
        let mut head = Map::new();
        head.insert("services".to_owned(), convert_all(&uses, &documents, &unreadable, &service_folders, import));
        return Json::Object(head);
    };
    let at = At::file(&device.path);
    let Some(json) = read_json(&at, &device.contents, &mut import.findings) else { return Json::Object(Map::new()) };
    let device = device::read(&at, &json, import);
    if let Some(name) = &device.name {
        check_file_name(package, name, import);
    }
    let mut head = device.head;
    head.insert("services".to_owned(), convert_all(&device.services, &documents, &unreadable, &service_folders, import));
    Json::Object(head)
}

impl ServiceDocument {
    /// The folder's name, or the first `serviceType` inside.
    fn type_name(&self) -> &str {
        let inside = || self.json.pointer("/services/0/serviceType").and_then(Json::as_str);
        self.folder.as_deref().or_else(inside).unwrap_or_default()
    }
}

fn convert_all(
    uses: &[ServiceUse],
    documents: &[ServiceDocument],
    unreadable: &BTreeSet<String>,
    folders: &BTreeSet<String>,
    import: &mut Import,
) -> Json {
    let mut by_type: BTreeMap<&str, &ServiceDocument> = BTreeMap::new();
    for document in documents {
        if let Some(earlier) = by_type.insert(document.type_name(), document) {
            let reason = format!("a second document of the service {}", quote(document.type_name()));
            import.error(&earlier.at, code::DUPLICATE_ENTRY, reason, "keep one servicetype-capability.json");
        }
    }
    let mut used = BTreeSet::new();
    let mut services = Vec::with_capacity(uses.len());
    for wanted in uses {
        let service_type = wanted.service_type.as_str();
        let other_case = || by_type.iter().find(|(name, _)| name.eq_ignore_ascii_case(service_type));
        let found = by_type.get_key_value(service_type).or_else(other_case);
        let Some((name, document)) = found else {
            if !unreadable.contains(service_type) {
                no_document(wanted, &by_type, folders, import);
            }
            used.insert(service_type);
            continue;
        };
        if *name != service_type {
            let reason = format!("the folder of {} is called {}", quote(service_type), quote(name));
            import.deviation(&document.at, code::MISSPELT_ENTRY, reason, format!("rename it to {service_type}; case counts"));
        }
        used.insert(name);
        let place = At::file(super::CONVERTED).key("services").item(services.len());
        services.extend(convert(wanted, document, &place, import));
    }
    let present = by_type.keys().copied().chain(folders.iter().map(String::as_str)).chain(unreadable.iter().map(String::as_str));
    let unused: BTreeSet<&str> = present.filter(|name| !used.contains(name) && !name.is_empty()).collect();
    for name in unused {
        let at = by_type.get(name).map_or_else(|| At::file(&format!("service/{name}")), |document| document.at.clone());
        let reason = format!("serviceTypeCapabilities does not name the service {}; it is not read", quote(name));
        import.warning(&at, code::UNUSED_SERVICE, reason, "name it in profile/devicetype-capability.json, or remove the folder");
    }
    Json::Array(services)
}

fn no_document(wanted: &ServiceUse, by_type: &BTreeMap<&str, &ServiceDocument>, folders: &BTreeSet<String>, import: &mut Import) {
    let service_type = &wanted.service_type;
    let path = format!("service/{service_type}/profile/servicetype-capability.json");
    let reason = if folders.contains(service_type) {
        format!("the folder of the service {} has no servicetype-capability.json", quote(service_type))
    } else {
        format!("the package has no folder for the service {}", quote(service_type))
    };
    let near = suggest::nearest(service_type, by_type.keys().copied());
    let near = near.map_or_else(String::new, |near| format!("; there is one for `{near}`"));
    import.error(&wanted.at.key("serviceType"), code::NO_SERVICE_FILE, reason, format!("add {path}{near}"));
}

fn convert(wanted: &ServiceUse, document: &ServiceDocument, ours: &At, import: &mut Import) -> Option<Json> {
    let root = Node::new(document.at.clone(), &document.json, import)?;
    root.only(&["services"], import);
    if !root.map.contains_key("services") {
        let fix = "write {\"services\": [ { \"serviceType\": ..., \"commands\": [], \"properties\": [] } ]}";
        import.error(&root.at, code::VENDOR_KEY, "`services` is missing", fix);
    }
    let list = root.optional_list("services", import);
    let place = document.at.key("services");
    let named = |entry: &Json| entry.get("serviceType").and_then(Json::as_str) == Some(wanted.service_type.as_str());
    let (index, entry) = list.iter().enumerate().find(|(_, entry)| named(entry)).or_else(|| list.iter().enumerate().next())?;
    if list.len() > 1 {
        let reason = format!("the document has {} services, one is read", list.len());
        import.warning(&place, code::NOT_CARRIED_OVER, reason, "give every service a folder of its own");
    }
    let node = Node::new(place.item(index), entry, import)?;
    node.only(&["serviceType", "description", "commands", "properties", "events"], import);
    check_type(wanted, document, &node, import);
    if !node.optional_list("events", import).is_empty() {
        let fix = "nothing; event reports are services of kind event in our format";
        import.warning(&node.at.key("events"), code::NOT_CARRIED_OVER, "`events` is not carried over", fix);
    }
    import.origins.add(ours, &node.at);
    import.origins.add(&ours.key("serviceId"), &wanted.at.key("serviceId"));
    import.origins.add(&ours.key("serviceType"), &wanted.at.key("serviceType"));
    let mut service = Map::new();
    service.insert("serviceId".to_owned(), wanted.service_id.as_str().into());
    if wanted.service_type != wanted.service_id {
        service.insert("serviceType".to_owned(), wanted.service_type.as_str().into());
    }
    if let Some(description) = node.optional_text("description", import) {
        service.insert("description".to_owned(), description.into());
    }
    let properties = node.required_list("properties", import);
    let (theirs, place) = (node.at.key("properties"), ours.key("properties"));
    let properties = fields::read_list(properties, &theirs, &place, Role::Property, import);
    service.insert("properties".to_owned(), properties.into());
    let commands = convert_commands(&node, &ours.key("commands"), import);
    service.insert("commands".to_owned(), commands.into());
    Some(Json::Object(service))
}

/// `serviceType` inside equals the folder's name (J.2 rule 8).
fn check_type(wanted: &ServiceUse, document: &ServiceDocument, node: &Node<'_>, import: &mut Import) {
    let Some(inside) = node.required_text("serviceType", import) else { return };
    let folder = document.folder.as_deref().unwrap_or(&wanted.service_type);
    if inside == folder {
        return;
    }
    let reason = format!("serviceType is {}, the folder is called {}", quote(inside), quote(folder));
    let at = node.at.key("serviceType");
    if inside.eq_ignore_ascii_case(folder) {
        import.deviation(&at, code::SERVICE_TYPE_DIFFERS, reason, "write both the same; case counts");
    } else {
        import.error(&at, code::SERVICE_TYPE_DIFFERS, reason, "give both the same name");
    }
}

fn convert_commands(service: &Node<'_>, ours: &At, import: &mut Import) -> Vec<Json> {
    let list = service.required_list("commands", import);
    let theirs = service.at.key("commands");
    let mut commands = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let Some(node) = Node::new(theirs.item(index), entry, import) else { continue };
        node.only(&["commandName", "paras", "responses", "description"], import);
        let name = node.required_text("commandName", import);
        let place = ours.item(commands.len());
        import.origins.add(&place, &node.at);
        import.origins.add(&place.key("name"), &node.at.key("commandName"));
        let params = node.optional_list("paras", import);
        let params = fields::read_list(params, &node.at.key("paras"), &place.key("params"), Role::Parameter, import);
        let response = convert_response(&node, &place.key("response"), import);
        let Some(name) = name else { continue };
        let mut command = Map::new();
        command.insert("name".to_owned(), name.into());
        if let Some(description) = node.optional_text("description", import) {
            command.insert("description".to_owned(), description.into());
        }
        command.insert("params".to_owned(), params.into());
        command.insert("response".to_owned(), response.into());
        commands.push(Json::Object(command));
    }
    commands
}

/// The fields of the first response; more than one does not occur in samples and cannot be told apart by a codec.
fn convert_response(command: &Node<'_>, ours: &At, import: &mut Import) -> Vec<Json> {
    let list = command.optional_list("responses", import);
    let theirs = command.at.key("responses");
    if list.len() > 1 {
        let reason = format!("the command has {} responses, the first is read", list.len());
        import.warning(&theirs, code::NOT_CARRIED_OVER, reason, "put the fields of all into one response");
    }
    let Some(first) = list.first() else { return Vec::new() };
    let Some(node) = Node::new(theirs.item(0), first, import) else { return Vec::new() };
    node.only(&["responseName", "paras", "description"], import);
    let fields = node.optional_list("paras", import);
    fields::read_list(fields, &node.at.key("paras"), ours, Role::Parameter, import)
}
