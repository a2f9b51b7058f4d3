//! IPSO's sensors and actuators (OMA registry). A resource number means the same in all of them, so one table serves every object.

use std::ops::RangeInclusive;

use super::Instances::{Many, One};
use super::Operations::{Execute, Read, ReadWrite, Write};
use super::{Object, Resource, row};
use crate::lwm2m::content::Kind;

/// Numbers that IPSO's objects have.
pub(super) const NUMBERS: RangeInclusive<u16> = 3_200..=3_399;

const fn object(id: u16, name: &'static str) -> Object {
    Object { id, name, instances: Many, resources: SHARED }
}

pub(super) const OBJECTS: &[Object] = &[
    object(3303, "Temperature"),
    object(3304, "Humidity"),
    object(3305, "Power Measurement"),
    object(3306, "Actuation"),
    object(3311, "Light Control"),
    object(3313, "Accelerometer"),
    object(3316, "Voltage"),
    object(3320, "Percentage"),
    object(3323, "Pressure"),
    object(3328, "Power"),
    object(3336, "Location"),
    object(3340, "Timer"),
    object(3341, "Addressable Text Display"),
    object(3342, "On/Off switch"),
    object(3343, "Dimmer"),
    object(3344, "Up/Down Control"),
    object(3345, "Multiple Axis Joystick"),
    object(3346, "Rate"),
    object(3347, "Push button"),
];

/// By number.
pub(super) const SHARED: &[Resource] = &[
    row(5500, "Digital Input State", Read, One, Some(Kind::Boolean)),
    row(5501, "Digital Input Counter", Read, One, Some(Kind::Integer)),
    row(5514, "Latitude", Read, One, Some(Kind::Text)),
    row(5515, "Longitude", Read, One, Some(Kind::Text)),
    row(5516, "Uncertainty", Read, One, Some(Kind::Text)),
    row(5517, "Velocity", Read, One, Some(Kind::Opaque)),
    row(5518, "Timestamp", Read, One, Some(Kind::Time)),
    row(5521, "Delay Duration", ReadWrite, One, Some(Kind::Float)),
    row(5523, "Trigger", Execute, One, None),
    row(5525, "Minimum Off-time", ReadWrite, One, Some(Kind::Float)),
    row(5526, "Timer Mode", ReadWrite, One, Some(Kind::Integer)),
    row(5527, "Text", ReadWrite, One, Some(Kind::Text)),
    row(5528, "X Coordinate", ReadWrite, One, Some(Kind::Integer)),
    row(5529, "Y Coordinate", ReadWrite, One, Some(Kind::Integer)),
    row(5530, "Clear Display", Execute, One, None),
    row(5531, "Contrast", ReadWrite, One, Some(Kind::Float)),
    row(5532, "Increase Input State", Read, One, Some(Kind::Boolean)),
    row(5533, "Decrease Input State", Read, One, Some(Kind::Boolean)),
    row(5534, "Counter", ReadWrite, One, Some(Kind::Integer)),
    row(5538, "Remaining Time", Read, One, Some(Kind::Float)),
    row(5541, "Up Counter", ReadWrite, One, Some(Kind::Integer)),
    row(5542, "Down Counter", ReadWrite, One, Some(Kind::Integer)),
    row(5543, "Digital State", Read, One, Some(Kind::Boolean)),
    row(5544, "Cumulative Time", ReadWrite, One, Some(Kind::Float)),
    row(5545, "Max X Coordinate", Read, One, Some(Kind::Integer)),
    row(5546, "Max Y Coordinate", Read, One, Some(Kind::Integer)),
    row(5548, "Level", ReadWrite, One, Some(Kind::Float)),
    row(5601, "Min Measured Value", Read, One, Some(Kind::Float)),
    row(5602, "Max Measured Value", Read, One, Some(Kind::Float)),
    row(5603, "Min Range Value", Read, One, Some(Kind::Float)),
    row(5604, "Max Range Value", Read, One, Some(Kind::Float)),
    row(5605, "Reset Min and Max Measured Values", Execute, One, None),
    row(5700, "Sensor Value", Read, One, Some(Kind::Float)),
    row(5701, "Sensor Units", Read, One, Some(Kind::Text)),
    row(5702, "X Value", Read, One, Some(Kind::Float)),
    row(5703, "Y Value", Read, One, Some(Kind::Float)),
    row(5704, "Z Value", Read, One, Some(Kind::Float)),
    row(5705, "Compass Direction", Read, One, Some(Kind::Float)),
    row(5706, "Colour", ReadWrite, One, Some(Kind::Text)),
    row(5750, "Application Type", ReadWrite, One, Some(Kind::Text)),
    row(5800, "Instantaneous active power", Read, One, Some(Kind::Float)),
    row(5801, "Min Measured active power", Read, One, Some(Kind::Float)),
    row(5802, "Max Measured active power", Read, One, Some(Kind::Float)),
    row(5803, "Min Range active power", Read, One, Some(Kind::Float)),
    row(5804, "Max Range active power", Read, One, Some(Kind::Float)),
    row(5805, "Cumulative active power", Read, One, Some(Kind::Float)),
    row(5806, "Active Power Calibration", Write, One, Some(Kind::Float)),
    row(5810, "Instantaneous reactive power", Read, One, Some(Kind::Float)),
    row(5811, "Min Measured reactive power", Read, One, Some(Kind::Float)),
    row(5812, "Max Measured reactive power", Read, One, Some(Kind::Float)),
    row(5813, "Min Range reactive power", Read, One, Some(Kind::Float)),
    row(5814, "Max Range reactive power", Read, One, Some(Kind::Float)),
    row(5815, "Cumulative reactive power", Read, One, Some(Kind::Float)),
    row(5816, "Reactive Power Calibration", Write, One, Some(Kind::Float)),
    row(5820, "Power factor", Read, One, Some(Kind::Float)),
    row(5821, "Current Calibration", ReadWrite, One, Some(Kind::Float)),
    row(5822, "Reset Cumulative energy", Execute, One, None),
    row(5850, "On/Off", ReadWrite, One, Some(Kind::Boolean)),
    row(5851, "Dimmer", ReadWrite, One, Some(Kind::Integer)),
    row(5852, "On time", ReadWrite, One, Some(Kind::Integer)),
    row(5853, "Multi-state Output", ReadWrite, One, Some(Kind::Text)),
    row(5854, "Off Time", ReadWrite, One, Some(Kind::Integer)),
    row(6050, "Fractional Timestamp", Read, One, Some(Kind::Float)),
];
