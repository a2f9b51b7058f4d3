//! Objects of the LwM2M enabler itself, 0 to 9, and 19, which carries application payloads (OMA registry).

use super::Instances::{Many, One};
use super::Operations::{Execute, None as No, Read, ReadWrite, Write};
use super::{Instances, Object, Resource, row};
use crate::lwm2m::content::Kind;

const fn object(id: u16, name: &'static str, instances: Instances, resources: &'static [Resource]) -> Object {
    Object { id, name, instances, resources }
}

pub(super) const OBJECTS: &[Object] = &[
    object(0, "LwM2M Security", Many, SECURITY),
    object(1, "LwM2M Server", Many, SERVER),
    object(2, "LwM2M Access Control", Many, ACCESS_CONTROL),
    object(3, "Device", One, DEVICE),
    object(4, "Connectivity Monitoring", One, CONNECTIVITY),
    object(5, "Firmware Update", One, FIRMWARE),
    object(6, "Location", One, LOCATION),
    object(7, "Connectivity Statistics", One, STATISTICS),
    object(9, "LwM2M Software Management", Many, SOFTWARE),
    object(19, "BinaryAppDataContainer", Many, BINARY_CONTAINER),
];

const SECURITY: &[Resource] = &[
    row(0, "LwM2M Server URI", No, One, Some(Kind::Text)),
    row(1, "Bootstrap-Server", No, One, Some(Kind::Boolean)),
    row(2, "Security Mode", No, One, Some(Kind::Integer)),
    row(3, "Public Key or Identity", No, One, Some(Kind::Opaque)),
    row(4, "Server Public Key", No, One, Some(Kind::Opaque)),
    row(5, "Secret Key", No, One, Some(Kind::Opaque)),
    row(6, "SMS Security Mode", No, One, Some(Kind::Integer)),
    row(7, "SMS Binding Key Parameters", No, One, Some(Kind::Opaque)),
    row(8, "SMS Binding Secret Key(s)", No, One, Some(Kind::Opaque)),
    row(9, "LwM2M Server SMS Number", No, One, Some(Kind::Text)),
    row(10, "Short Server ID", No, One, Some(Kind::Integer)),
    row(11, "Client Hold Off Time", No, One, Some(Kind::Integer)),
    row(12, "Bootstrap-Server Account Timeout", No, One, Some(Kind::Integer)),
];

const SERVER: &[Resource] = &[
    row(0, "Short Server ID", Read, One, Some(Kind::Integer)),
    row(1, "Lifetime", ReadWrite, One, Some(Kind::Integer)),
    row(2, "Default Minimum Period", ReadWrite, One, Some(Kind::Integer)),
    row(3, "Default Maximum Period", ReadWrite, One, Some(Kind::Integer)),
    row(4, "Disable", Execute, One, None),
    row(5, "Disable Timeout", ReadWrite, One, Some(Kind::Integer)),
    row(6, "Notification Storing When Disabled or Offline", ReadWrite, One, Some(Kind::Boolean)),
    row(7, "Binding", ReadWrite, One, Some(Kind::Text)),
    row(8, "Registration Update Trigger", Execute, One, None),
    row(9, "Bootstrap-Request Trigger", Execute, One, None),
    row(10, "APN Link", ReadWrite, One, Some(Kind::Link)),
    row(11, "TLS-DTLS Alert Code", Read, One, Some(Kind::Unsigned)),
    row(12, "Last Bootstrapped", Read, One, Some(Kind::Time)),
    row(13, "Registration Priority Order", Read, One, Some(Kind::Unsigned)),
    row(14, "Initial Registration Delay Timer", ReadWrite, One, Some(Kind::Unsigned)),
    row(15, "Registration Failure Block", Read, One, Some(Kind::Boolean)),
    row(16, "Bootstrap on Registration Failure", Read, One, Some(Kind::Boolean)),
    row(17, "Communication Retry Count", ReadWrite, One, Some(Kind::Unsigned)),
    row(18, "Communication Retry Timer", ReadWrite, One, Some(Kind::Unsigned)),
    row(19, "Communication Sequence Delay Timer", ReadWrite, One, Some(Kind::Unsigned)),
    row(20, "Communication Sequence Retry Count", ReadWrite, One, Some(Kind::Unsigned)),
    row(21, "Trigger", ReadWrite, One, Some(Kind::Boolean)),
    row(22, "Preferred Transport", ReadWrite, One, Some(Kind::Text)),
    row(23, "Mute Send", ReadWrite, One, Some(Kind::Boolean)),
];

const ACCESS_CONTROL: &[Resource] = &[
    row(0, "Object ID", Read, One, Some(Kind::Integer)),
    row(1, "Object Instance ID", Read, One, Some(Kind::Integer)),
    row(2, "ACL", ReadWrite, Many, Some(Kind::Integer)),
    row(3, "Access Control Owner", ReadWrite, One, Some(Kind::Integer)),
];

const DEVICE: &[Resource] = &[
    row(0, "Manufacturer", Read, One, Some(Kind::Text)),
    row(1, "Model Number", Read, One, Some(Kind::Text)),
    row(2, "Serial Number", Read, One, Some(Kind::Text)),
    row(3, "Firmware Version", Read, One, Some(Kind::Text)),
    row(4, "Reboot", Execute, One, None),
    row(5, "Factory Reset", Execute, One, None),
    row(6, "Available Power Sources", Read, Many, Some(Kind::Integer)),
    row(7, "Power Source Voltage", Read, Many, Some(Kind::Integer)),
    row(8, "Power Source Current", Read, Many, Some(Kind::Integer)),
    row(9, "Battery Level", Read, One, Some(Kind::Integer)),
    row(10, "Memory Free", Read, One, Some(Kind::Integer)),
    row(11, "Error Code", Read, Many, Some(Kind::Integer)),
    row(12, "Reset Error Code", Execute, One, None),
    row(13, "Current Time", ReadWrite, One, Some(Kind::Time)),
    row(14, "UTC Offset", ReadWrite, One, Some(Kind::Text)),
    row(15, "Timezone", ReadWrite, One, Some(Kind::Text)),
    row(16, "Supported Binding and Modes", Read, One, Some(Kind::Text)),
    row(17, "Device Type", Read, One, Some(Kind::Text)),
    row(18, "Hardware Version", Read, One, Some(Kind::Text)),
    row(19, "Software Version", Read, One, Some(Kind::Text)),
    row(20, "Battery Status", Read, One, Some(Kind::Integer)),
    row(21, "Memory Total", Read, One, Some(Kind::Integer)),
    row(22, "ExtDevInfo", Read, Many, Some(Kind::Link)),
];

const CONNECTIVITY: &[Resource] = &[
    row(0, "Network Bearer", Read, One, Some(Kind::Integer)),
    row(1, "Available Network Bearer", Read, Many, Some(Kind::Integer)),
    row(2, "Radio Signal Strength", Read, One, Some(Kind::Integer)),
    row(3, "Link Quality", Read, One, Some(Kind::Integer)),
    row(4, "IP Addresses", Read, Many, Some(Kind::Text)),
    row(5, "Router IP Addresses", Read, Many, Some(Kind::Text)),
    row(6, "Link Utilization", Read, One, Some(Kind::Integer)),
    row(7, "APN", Read, Many, Some(Kind::Text)),
    row(8, "Cell ID", Read, One, Some(Kind::Integer)),
    row(9, "SMNC", Read, One, Some(Kind::Integer)),
    row(10, "SMCC", Read, One, Some(Kind::Integer)),
    row(11, "SignalSNR", Read, One, Some(Kind::Integer)),
    row(12, "LAC", Read, One, Some(Kind::Integer)),
];

const FIRMWARE: &[Resource] = &[
    row(0, "Package", Write, One, Some(Kind::Opaque)),
    row(1, "Package URI", ReadWrite, One, Some(Kind::Text)),
    row(2, "Update", Execute, One, None),
    row(3, "State", Read, One, Some(Kind::Integer)),
    row(4, "Update Supported Objects", ReadWrite, One, Some(Kind::Boolean)),
    row(5, "Update Result", Read, One, Some(Kind::Integer)),
    row(6, "PkgName", Read, One, Some(Kind::Text)),
    row(7, "PkgVersion", Read, One, Some(Kind::Text)),
    row(8, "Firmware Update Protocol Support", Read, Many, Some(Kind::Integer)),
    row(9, "Firmware Update Delivery Method", Read, One, Some(Kind::Integer)),
];

const LOCATION: &[Resource] = &[
    row(0, "Latitude", Read, One, Some(Kind::Float)),
    row(1, "Longitude", Read, One, Some(Kind::Float)),
    row(2, "Altitude", Read, One, Some(Kind::Float)),
    row(3, "Radius", Read, One, Some(Kind::Float)),
    row(4, "Velocity", Read, One, Some(Kind::Opaque)),
    row(5, "Timestamp", Read, One, Some(Kind::Time)),
    row(6, "Speed", Read, One, Some(Kind::Float)),
];

const STATISTICS: &[Resource] = &[
    row(0, "SMS Tx Counter", Read, One, Some(Kind::Integer)),
    row(1, "SMS Rx Counter", Read, One, Some(Kind::Integer)),
    row(2, "Tx Data", Read, One, Some(Kind::Integer)),
    row(3, "Rx Data", Read, One, Some(Kind::Integer)),
    row(4, "Max Message Size", Read, One, Some(Kind::Integer)),
    row(5, "Average Message Size", Read, One, Some(Kind::Integer)),
    row(6, "Start", Execute, One, None),
    row(7, "Stop", Execute, One, None),
    row(8, "Collection Period", ReadWrite, One, Some(Kind::Integer)),
];

const SOFTWARE: &[Resource] = &[
    row(0, "PkgName", Read, One, Some(Kind::Text)),
    row(1, "PkgVersion", Read, One, Some(Kind::Text)),
    row(2, "Package", Write, One, Some(Kind::Opaque)),
    row(3, "Package URI", Write, One, Some(Kind::Text)),
    row(4, "Install", Execute, One, None),
    row(5, "Checkpoint", Read, One, Some(Kind::Link)),
    row(6, "Uninstall", Execute, One, None),
    row(7, "Update State", Read, One, Some(Kind::Integer)),
    row(8, "Update Supported Objects", ReadWrite, One, Some(Kind::Boolean)),
    row(9, "Update Result", Read, One, Some(Kind::Integer)),
    row(10, "Activate", Execute, One, None),
    row(11, "Deactivate", Execute, One, None),
    row(12, "Activation State", Read, One, Some(Kind::Boolean)),
    row(13, "Package Settings", ReadWrite, One, Some(Kind::Link)),
    row(14, "User Name", Write, One, Some(Kind::Text)),
    row(15, "Password", Write, One, Some(Kind::Text)),
];

const BINARY_CONTAINER: &[Resource] = &[
    row(0, "Data", ReadWrite, Many, Some(Kind::Opaque)),
    row(1, "Data Priority", ReadWrite, One, Some(Kind::Integer)),
    row(2, "Data Creation Time", ReadWrite, One, Some(Kind::Time)),
    row(3, "Data Description", ReadWrite, One, Some(Kind::Text)),
    row(4, "Data Format", ReadWrite, One, Some(Kind::Text)),
    row(5, "App ID", ReadWrite, One, Some(Kind::Integer)),
];
