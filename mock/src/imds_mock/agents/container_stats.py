"""Resource usage of a container in the format of Docker's engine, as the ECS agent returns it.

The values are generated and grow like those of an almost idle container. Format: Docker Engine API, "Get container
stats based on resource usage", with the rates that the agent adds.
"""

from __future__ import annotations

from typing import Any, Final

from imds_mock.metadata.documents import iso8601

_CPUS: Final = 2
_SECOND: Final = 1_000_000_000
_CPU_SHARE: Final = 0.01
_KERNEL_SHARE: Final = 0.25
_MEMORY_SHARE: Final = 0.1
_RECEIVED_PER_SECOND, _SENT_PER_SECOND = 120, 80
_PACKET_BYTES: Final = 100


def stats(docker_id: str, name: str, *, started: float, now: float, memory_limit: int) -> dict[str, Any]:
    """The resource usage of one container; times in seconds since the epoch, the limit in bytes."""
    used = round(memory_limit * _MEMORY_SHARE)
    running = max(0.0, now - started)
    return {
        "read": _nanoseconds(now),
        "preread": _nanoseconds(now - 1),
        "pids_stats": {"current": 3},
        "blkio_stats": {
            "io_service_bytes_recursive": [
                {"major": 202, "minor": 26368, "op": "Read", "value": 638976},
                {"major": 202, "minor": 26368, "op": "Write", "value": 0},
            ],
            "io_serviced_recursive": [],
            "io_queue_recursive": [],
            "io_service_time_recursive": [],
            "io_wait_time_recursive": [],
            "io_merged_recursive": [],
            "io_time_recursive": [],
            "sectors_recursive": [],
        },
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _cpu(running),
        "precpu_stats": _cpu(max(0.0, running - 1)),
        "memory_stats": {
            "usage": used,
            "max_usage": used,
            "stats": {"active_anon": used // 2, "active_file": used // 4, "cache": used // 4, "rss": used // 2},
            "limit": memory_limit,
        },
        "name": f"/{name}",
        "id": docker_id,
        "networks": {"eth1": _network(running)},
        "network_rate_stats": {"rx_bytes_per_sec": _RECEIVED_PER_SECOND, "tx_bytes_per_sec": _SENT_PER_SECOND},
    }


def _nanoseconds(time: float) -> str:
    whole = int(time)
    return f"{iso8601(whole)[:-1]}.{int((time - whole) * _SECOND):09}Z"


def _cpu(running: float) -> dict[str, Any]:
    used = round(running * _CPU_SHARE * _SECOND)
    kernel = round(used * _KERNEL_SHARE)
    return {
        "cpu_usage": {
            "total_usage": used,
            "percpu_usage": [used - used // _CPUS * (_CPUS - 1), *[used // _CPUS] * (_CPUS - 1)],
            "usage_in_kernelmode": kernel,
            "usage_in_usermode": used - kernel,
        },
        "system_cpu_usage": round(running * _CPUS * _SECOND),
        "online_cpus": _CPUS,
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    }


def _network(running: float) -> dict[str, int]:
    received, sent = round(running * _RECEIVED_PER_SECOND), round(running * _SENT_PER_SECOND)
    return {
        "rx_bytes": received,
        "rx_packets": received // _PACKET_BYTES,
        "rx_errors": 0,
        "rx_dropped": 0,
        "tx_bytes": sent,
        "tx_packets": sent // _PACKET_BYTES,
        "tx_errors": 0,
        "tx_dropped": 0,
    }
