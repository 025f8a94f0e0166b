"""When events are due: deadlines from an interval, on a clock that is passed in. Pure; knows no asyncio."""
