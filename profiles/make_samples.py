#!/usr/bin/env python3
"""Writes the sample vendor packages below this folder, the same bytes every time.

    python3 profiles/make_samples.py

The good ones go to huawei/, the broken ones to broken/. The names, tree and fields are those of Huawei profile packages
(https://support.huaweicloud.com/devg-IoT/iot_02_4016.html); the makers and devices are invented.
"""

import io
import json
import pathlib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
DEVICE = "profile/devicetype-capability.json"


def service_path(name):
    return f"service/{name}/profile/servicetype-capability.json"


def pack(entries, method=zipfile.ZIP_STORED):
    """entries: path -> object (written as JSON) or text; a path that ends in / is a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in entries.items():
            entry = zipfile.ZipInfo(path, date_time=(2019, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = (0o40755 << 16 | 0x10) if path.endswith("/") else 0o100644 << 16
            entry.compress_type = method
            text = content if isinstance(content, str) else json.dumps(content, indent=1, ensure_ascii=False)
            archive.writestr(entry, text)
    return buffer.getvalue()


def write(folder, name, content):
    (HERE / folder).mkdir(exist_ok=True)
    (HERE / folder / name).write_bytes(content)


def device(model, services=("Meter",), **changes):
    entry = {
        "manufacturerId": "Acme01",
        "manufacturerName": "Acme",
        "model": model,
        "protocolType": "LWM2M",
        "deviceType": "WaterMeter",
        "omCapability": {
            "upgradeCapability": {"supportUpgrade": True, "upgradeProtocolType": "PCP"},
            "fwUpgradeCapability": {"supportUpgrade": False, "upgradeProtocolType": "LWM2M"},
        },
        "serviceTypeCapabilities": [{"serviceId": s, "serviceType": s, "option": "Mandatory"} for s in services],
    }
    entry.update(changes)
    return {"devices": [{key: value for key, value in entry.items() if value != "(absent)"}]}


def para(name, data_type, low=None, high=None, step=0, length=0, unit=None, values=None, required=True):
    return {
        "paraName": name,
        "dataType": data_type,
        "required": required,
        "min": low,
        "max": high,
        "step": step,
        "maxLength": length,
        "unit": unit,
        "enumList": values,
    }


def prop(name, data_type, low=None, high=None, step=0, length=0, method="RE", unit=None, values=None, required=False):
    field = para(name, data_type, low, high, step, length, unit, values, required)
    field = {("propertyName" if key == "paraName" else key): value for key, value in field.items()}
    return {**field, "method": method}


def service(name, properties, commands=None, **changes):
    entry = {
        "serviceType": name,
        "description": name,
        "commands": [] if commands is None else commands,
        "properties": properties,
        "events": [],
    }
    entry.update(changes)
    return {"services": [entry]}


SET_PERIOD = {
    "commandName": "SET_PERIOD",
    "paras": [para("value", "int", 1, 24, 1, unit="h")],
    "responses": [{"responseName": "SET_PERIOD_RSP", "paras": [para("result", "int", 0, 255, 1)]}],
}
READING = prop("currentReading", "decimal", 0, 999999, 0.001, unit="m3", required=True)


def meter(properties=None, commands=None, **changes):
    return service("Meter", [READING] if properties is None else properties, [SET_PERIOD] if commands is None else commands, **changes)


def good():
    write("huawei", "WaterMeter_Acme01_WM1.zip", pack({DEVICE: device("WM1"), service_path("Meter"): meter()}))

    # The services that one operator fixes for all products; deflated, with folder entries.
    no_parameters = (
        "PUSH_COMMAND UPDATE_CONFIGURATION COLLECT_LOG UPGRADE_BUNDLE INSTALL_BUNDLE START_BUNDLE STOP_BUNDLE "
        "UNINSTALL_BUNDLE BUNDLE_SYNCHRONIZATION UPGRADE_FIRMWARE UPGRADE_SOFTWARE GET REST REBOOT DOWNLOAD_SWPACKAGE "
        "SWUPDATE DOWNLOAD_FWPACKAGE FWUPDATE"
    )
    universal = {
        "Battery": service(
            "Battery",
            [prop("batteryLevel", "int", 0, 100, 1, unit="%"), prop("batteryVoltage", "decimal", 0, 10, 0.1, unit="mV")],
        ),
        "ModemBattery": service(
            "ModemBattery",
            [prop("batteryLevel", "int", 0, 100, 1, unit="%"), prop("batteryVoltage", "decimal", 0, 100, unit="mV")],
        ),
        "Connectivity": service("Connectivity", [prop("signalStrength", "int", -150, 150, 1, unit="dBm")]),
        "Location": service(
            "Location", [prop("longitude", "decimal", -180, 180), prop("latitude", "decimal", -90, 90)]
        ),
        "DM": service(
            "DM",
            [prop("swVersion", "string", length=256, method="R"), prop("fwVersion", "string", length=256, method="R")],
            [{"commandName": name, "paras": None, "responses": None} for name in no_parameters.split()],
        ),
    }
    entries = {"profile/": "", DEVICE: device("TR7", tuple(universal), deviceType="Tracker", protocolType="CoAP"), "service/": ""}
    for name, document in universal.items():
        entries[f"service/{name}/"] = ""
        entries[service_path(name)] = document
    write("huawei", "Tracker_Acme01_TR7.zip", pack(entries, zipfile.ZIP_DEFLATED))

    # What occurs in published packages and does no harm: refused when strict, taken with warnings when lenient.
    level = prop("LevelMin", "double", "1", "0", 0, unit="null")
    text = prop("status", "string", "1", "2147483646", 0, 16)
    kind = prop("kind", "string", values=["open", "closed"], length=8)
    entries = {
        ".DS_Store": "x",
        "__MACOSX/._profile": "x",
        "docs/readme.txt": "how to",
        DEVICE: device("(absent)", ("Level", "Raw", "Time"), deviceType="TestDevice", serviceTypeCapabilities=[
            {"serviceId": "Level", "serviceType": "Level", "option": None},
            {"serviceId": "Raw", "serviceType": "RawData", "option": ""},
            {"serviceId": "Time", "serviceType": "Time", "option": "Master"},
        ]),
        "serivce/Level/servicetype-capability.json": service("Level", [level, text, kind], commands=None) | {},
        "serivce/servicetype-capability.json.json": service("RawData", [prop("rawData", "String", length=4000)]),
        "serivce/time/profile/servicetype-capability.json": service("Time", [prop("at", "datetime")], commands=None),
    }
    entries["serivce/Level/servicetype-capability.json"]["services"][0]["commands"] = None
    write("huawei", "TestDevice_Acme01_TestDevice.zip", pack(entries))


def broken():
    def case(model, entries, name=None):
        write("broken", name or f"WaterMeter_Acme01_{model}.zip", pack(entries))

    case("WM1", {DEVICE: device("WM1"), service_path("Meter"): meter()}, "watermeter.zip")
    case("WM1", {DEVICE: device("WM1"), service_path("Meter"): meter()}, "WaterMeter_Acme02_WM1.zip")
    write("broken", "WaterMeter_Acme01_NotAZip.zip", b"Rar!\x1a\x07\x01\x00" + bytes(32))

    model = "HiddenFiles"
    case(model, {
        DEVICE: device(model), "profile/.DS_Store": "x", service_path("Meter"): meter(), "__MACOSX/profile/._x": "x",
    })
    model = "CommandsNotArray"
    case(model, {DEVICE: device(model), service_path("Meter"): meter(commands=SET_PERIOD)})
    model = "PropertiesNotArray"
    case(model, {DEVICE: device(model), service_path("Meter"): meter(properties=READING)})
    model = "MalformedJson"
    text = json.dumps(meter(), indent=1).replace('"decimal",', '"decimal"', 1)
    case(model, {DEVICE: device(model), service_path("Meter"): text})
    model = "MissingService"
    case(model, {DEVICE: device(model, ("Meter", "Battery")), service_path("Meter"): meter(), "service/Spare/": ""})
    model = "UnknownType"
    case(model, {DEVICE: device(model), service_path("Meter"): meter([READING, prop("alarm", "bitfield"), prop("tilt", "float")])})
    model = "MinAboveMax"
    case(model, {DEVICE: device(model), service_path("Meter"): meter([READING, prop("pressure", "int", 100, 10, 1)])})
    model = "DuplicateProperty"
    case(model, {DEVICE: device(model), service_path("Meter"): meter([READING, prop("flow", "decimal"), READING])})
    model = "UnsafeNames"
    case(model, {DEVICE: device(model), service_path("Meter"): meter(), "../evil.json": "{}", "/etc/passwd": "x"})
    model = "OuterFolder"
    case(model, {f"WaterMeter/{DEVICE}": device(model), f"WaterMeter/{service_path('Meter')}": meter()})

    # Several at once, in all files: each is told.
    model = "Several"
    valve = {"commandName": "SET_VALVE", "paras": [para("open", "boolean"), para("open", "int", 5, 1)], "responses": {}}
    case(model, {
        DEVICE: device("SomethingElse", serviceTypeCapabilities=[
            {"serviceId": "Meter", "serviceType": "Meter", "option": "Mandatory"},
            {"serviceId": "Meter", "serviceType": "Battery", "option": "Mandatory"},
            {"serviceID": "Clock", "serviceType": "Clock"},
        ]),
        service_path("Meter"): meter(
            [READING, prop("flow", "decimal", "low", 10, method="RX"), {"propertName": "x", "dataType": "int"}], [valve, valve]
        ),
        service_path("Battery"): service("Batery", None),
        "notes.txt": "do not ship",
    })


    # Documents of our own format.
    write("broken", "several-mistakes.json", json.dumps({
        "manufacturerID": "Acme01", "model": "", "deviceType": "WaterMeter",
        "services": [
            {"serviceId": "Meter", "number": 70000, "properties": [
                {"name": "reading", "type": "double", "min": 10, "max": 1},
                {"name": "reading", "type": "enum"},
                {"name": "status", "type": "string", "minLength": 3, "step": 1},
            ], "commands": {"name": "SET"}},
            {"serviceId": "Meter"},
            {"serviceId": "Extra", "properties": [{"name": "doc", "type": "jsonObject", "schema": {"type": "objekt"}}]},
        ],
    }, indent=2).encode() + b"\n")
    write("broken", "malformed.json", b'{\n  "manufacturerId": "Acme01",\n  "model": "WM1",\n  "services": [],\n}\n')


if __name__ == "__main__":
    good()
    broken()
