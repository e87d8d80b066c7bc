"""How many registers of this CPU hold a vector of 64 bytes: what the shape of the micro-kernel depends on."""

import numba
from llvmlite import binding

FLOATS = 16  # in a vector of 64 bytes


def registers_of_a_vector() -> int:
    """Return how many registers hold a 64-byte vector on this CPU: the additions in the code of a vector's sum."""
    name = numba.config.CPU_NAME or binding.get_host_cpu_name()
    features = numba.config.CPU_FEATURES
    if features is None:
        features = "" if numba.config.CPU_NAME else binding.get_host_cpu_features().flatten()
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    machine = target.create_target_machine(cpu=name, features=features, opt=0)
    vector = f"<{FLOATS} x float>"
    module = binding.parse_assembly(
        f"define void @sum(ptr %p, ptr %q) {{ %a = load {vector}, ptr %p\n%b = load {vector}, ptr %q\n"
        f"%c = fadd {vector} %a, %b\nstore {vector} %c, ptr %p\nret void }}"
    )
    lines = machine.emit_assembly(module).splitlines()
    return max(1, sum("add" in line.split("#")[0] and "\t" in line for line in lines))
