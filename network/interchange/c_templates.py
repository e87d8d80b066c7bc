"""The C functions of an exported network, without their types: `REAL` is float or double, `N_` the network's name.

`M(exp)` is expf or exp, `R(0.5)` a literal of the type; `c_export` fills them in. NaN stays NaN: comparisons are
written so that a NaN fails them.
"""

FMA = """\
#if defined(FP_FAST_FMA@F@) || defined(__FP_FAST_FMA@F@)
#define UPPER_FMA(a, b, c) M(fma)((a), (b), (c))
#else
#define UPPER_FMA(a, b, c) ((a) * (b) + (c))
#endif
"""

# Without NaN no value would be missing.
MISSING = """\
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "NaN stands for a missing value: compile without -ffast-math and -ffinite-math-only"
#endif
"""

# What a table's columns become, as hotloop.network.tables has it; in double, which float32 columns need as well.
MEASURED = """\
/* scale (x - offset), smoothly clipped to -3 and 3; 0 if x is missing. */
static REAL N_measured(double x, double offset, double scale)
{
    double z = (x - offset) * scale;
    if (!(x == x)) {
        return R(0.0);
    }
    z = z < -1e9 ? -1e9 : z > 1e9 ? 1e9 : z;
    return (REAL)(z / sqrt((z / 3.0) * (z / 3.0) + 1.0));
}
"""
BIN = """\
/* How much of a bin lies below x, from -1 to 1; the median takes the place of a missing x. */
static REAL N_bin(double x, double median, double offset, double scale)
{
    double share = ((x == x ? x : median) - offset) * scale;
    share = share < 0.0 ? 0.0 : share > 1.0 ? 1.0 : share;
    return (REAL)(share * 2.0 - 1.0);
}
"""
CATEGORY = """\
/* The inputs of the category x: those of the row of its place; behind them those of an unknown and of a missing one. */
static void N_category(REAL x, const REAL *numbers, size_t n, const REAL *rows, size_t width, REAL *z)
{
    size_t place = x == x ? n : n + 1;
    for (size_t k = 0; k < n; k++) {
        if (x == numbers[k]) {
            place = k;
        }
    }
    for (size_t k = 0; k < width; k++) {
        z[k] = rows[place * width + k];
    }
}
"""

# Summed over the inputs, in their order, and the bias last, as in hotloop: the inner loop vectorises as it stands.
DENSE = """\
/* z = x W + bias; W has a row of fan_out numbers for each of the fan_in inputs. */
static void N_dense(const REAL *restrict weights, const REAL *restrict bias, size_t fan_in, size_t fan_out,
        const REAL *restrict x, REAL *restrict z)
{
    for (size_t j = 0; j < fan_out; j++) {
        z[j] = R(0.0);
    }
    for (size_t i = 0; i < fan_in; i++) {
        const REAL *row = weights + i * fan_out;
        for (size_t j = 0; j < fan_out; j++) {
            z[j] = UPPER_FMA(x[i], row[j], z[j]);
        }
    }
    for (size_t j = 0; j < fan_out; j++) {
        z[j] += bias[j];
    }
}
"""

# hotloop sums a row as sixteen sums, each of every sixteenth number.
NORM_SUMS = 16
LAYER_NORM = """\
static REAL N_total(const REAL *sums)
{
    REAL total = sums[0];
    for (size_t k = 1; k < 16; k++) {
        total += sums[k];
    }
    return total;
}

/* gain (z - mean) / sqrt(variance + epsilon) + shift, in place. */
static void N_layer_norm(const REAL *restrict gain, const REAL *restrict shift, REAL epsilon, size_t n,
        REAL *restrict z)
{
    const REAL share = R(1.0) / (REAL)n;
    REAL sums[16] = {R(0.0)};
    for (size_t j = 0; j < n; j++) {
        sums[j % 16] += z[j];
    }
    const REAL mean = N_total(sums) * share;
    for (size_t k = 0; k < 16; k++) {
        sums[k] = R(0.0);
    }
    for (size_t j = 0; j < n; j++) {
        z[j] -= mean;
        sums[j % 16] = UPPER_FMA(z[j], z[j], sums[j % 16]);
    }
    const REAL variance = N_total(sums) * share;
    /* variance - variance: NaN rather than 0 if the variance overflows. */
    const REAL scale = R(1.0) / M(sqrt)(variance + epsilon) + (variance - variance);
    for (size_t j = 0; j < n; j++) {
        z[j] = UPPER_FMA(gain[j], z[j] * scale, shift[j]);
    }
}
"""

SOFTMAX = """\
/* e^z_j / sum of e^z_k, in place; each z less the largest, so that nothing overflows. */
static void N_softmax(REAL *z, size_t n)
{
    REAL top = z[0];
    for (size_t j = 1; j < n; j++) {
        if (z[j] > top) {
            top = z[j];
        }
    }
    REAL total = R(0.0);
    for (size_t j = 0; j < n; j++) {
        z[j] = M(exp)(z[j] - top);
        total += z[j];
    }
    const REAL scale = R(1.0) / total;
    for (size_t j = 0; j < n; j++) {
        z[j] *= scale;
    }
}
"""

# Of one number; `PARAMETERS` are the slopes above and below zero, of those that have them.
ACTIVATIONS = {
    "sigmoid": """\
static REAL N_sigmoid(REAL z)
{
    const REAL e = M(exp)(-M(fabs)(z));
    return (z < R(0.0) ? e : R(1.0)) / (R(1.0) + e);
}
""",
    "tanh": """\
static REAL N_tanh(REAL z)
{
    return M(tanh)(z);
}
""",
    "relu": """\
static REAL N_relu(REAL z)
{
    return z < R(0.0) ? R(0.0) : z;
}
""",
    "leaky_relu": """\
static REAL N_leaky_relu(REAL z, REAL slope)
{
    return z < R(0.0) ? z * slope : z;
}
""",
    "elu": """\
static REAL N_elu(REAL z, REAL alpha)
{
    return z > R(0.0) ? z : M(expm1)(z) * alpha;
}
""",
    "selu": """\
static REAL N_selu(REAL z, REAL above, REAL below)
{
    return z > R(0.0) ? z * above : M(expm1)(z) * below;
}
""",
    "gelu": """\
/* z Phi(z), the exact one. */
static REAL N_gelu(REAL z)
{
    return R(0.5) * z * M(erfc)(z * R(@MINUS_SQRT_HALF@));
}
""",
    "silu": """\
static REAL N_silu(REAL z)
{
    const REAL e = M(exp)(-M(fabs)(z));
    return z * ((z < R(0.0) ? e : R(1.0)) / (R(1.0) + e));
}
""",
    "mish": """\
/* z tanh(softplus(z)), as a quotient of polynomials in e^-|z|. */
static REAL N_mish(REAL z)
{
    const REAL e = M(exp)(-M(fabs)(z));
    const REAL n = z < R(0.0) ? e * (e + R(2.0)) : e + e + R(1.0);
    return z * (n / (n + R(2.0) * (z < R(0.0) ? R(1.0) : e * e)));
}
""",
    "softplus": """\
static REAL N_softplus(REAL z)
{
    return (z < R(0.0) ? R(0.0) : z) + M(log1p)(M(exp)(-M(fabs)(z)));
}
""",
    "exponential": """\
static REAL N_exponential(REAL z)
{
    return M(exp)(z);
}
""",
}
KEYWORDS = frozenset((  # of C and C++
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
    "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed",
    "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while", "asm",
    "bool", "class", "delete", "explicit", "export", "false", "friend", "mutable", "namespace", "new", "operator",
    "private", "protected", "public", "template", "this", "throw", "true", "try", "typename", "using", "virtual",
    "catch",
))  # fmt: skip
LIBRARY = frozenset((  # of math.h, functions with an f or l at the end too, and others that compilers know
    "main", "size_t", "NULL", "NAN", "INFINITY", "HUGE_VAL", "fpclassify", "isfinite", "isinf", "isnan", "isnormal",
    "signbit", "isgreater", "isless", "isunordered", "acos", "asin", "atan", "atan2", "cos", "sin", "tan", "acosh",
    "asinh", "atanh", "cosh", "sinh", "tanh", "exp", "exp2", "expm1", "frexp", "ilogb", "ldexp", "log", "log10",
    "log1p", "log2", "logb", "modf", "scalbn", "scalbln", "cbrt", "fabs", "hypot", "pow", "sqrt", "erf", "erfc",
    "lgamma", "tgamma", "gamma", "ceil", "floor", "nearbyint", "rint", "lrint", "llrint", "round", "lround",
    "llround", "trunc", "fmod", "remainder", "remquo", "copysign", "nan", "nextafter", "nexttoward", "fdim", "fmax",
    "fmin", "fma", "j0", "j1", "jn", "y0", "y1", "yn",
    "printf", "fprintf", "sprintf", "snprintf", "scanf", "sscanf", "puts", "putchar", "malloc", "calloc", "realloc",
    "free", "abort", "exit", "abs", "labs", "memcpy", "memmove", "memset", "memcmp", "strlen", "strcpy", "strncpy",
    "strcmp", "strncmp", "strcat", "strchr", "index",
))  # fmt: skip
