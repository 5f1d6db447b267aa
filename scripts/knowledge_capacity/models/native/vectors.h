// Vectors of as many floats as a register of this processor holds, and functions of them.

#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace kernels {

#if defined(__AVX512F__)
constexpr long WIDTH = 16;
#elif defined(__AVX2__)
constexpr long WIDTH = 8;
#else
constexpr long WIDTH = 4;
#endif

typedef float vec __attribute__((vector_size(sizeof(float) * WIDTH)));
typedef int32_t ints __attribute__((vector_size(sizeof(int32_t) * WIDTH)));

const float LOWEST = -std::numeric_limits<float>::infinity();

inline vec load(const float *p) {
    vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline void store(float *p, vec v) { std::memcpy(p, &v, sizeof v); }

inline ints lanes() {
    ints lane;
    for (int i = 0; i < WIDTH; i++) lane[i] = i;
    return lane;
}

// The first `n` numbers, where fewer than WIDTH are left of a row; zeros above them.
inline vec load(const float *p, long n) {
    if (n >= WIDTH) return load(p);
#if defined(__AVX512F__)
    return vec(_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p));
#elif defined(__AVX2__)
    return vec(_mm256_maskload_ps(p, __m256i(lanes() < int32_t(n))));
#else
    vec v = {};
    for (long i = 0; i < n; i++) v[i] = p[i];
    return v;
#endif
}

inline void store(float *p, vec v, long n) {
    if (n >= WIDTH) return store(p, v);
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), __m512(v));
#elif defined(__AVX2__)
    _mm256_maskstore_ps(p, __m256i(lanes() < int32_t(n)), __m256(v));
#else
    for (long i = 0; i < n; i++) p[i] = v[i];
#endif
}

inline vec all(float x) { return vec{} + x; }

// The first `n` of x, and `other` above them.
inline vec first(vec x, long n, float other) { return lanes() < int32_t(n) ? x : all(other); }

inline vec load_or(const float *p, long n, float other) {
    return n >= WIDTH ? load(p) : first(load(p, n), n, other);
}

inline vec larger(vec a, vec b) { return b > a ? b : a; }

inline float sum(vec v) {
#ifdef __AVX512F__
    return _mm512_reduce_add_ps(__m512(v));
#else
    float s[WIDTH];
    store(s, v);
    for (long n = WIDTH / 2; n > 0; n /= 2)
        for (long i = 0; i < n; i++) s[i] += s[i + n];
    return s[0];
#endif
}

inline float max(vec v) {
#ifdef __AVX512F__
    return _mm512_reduce_max_ps(__m512(v));
#else
    float s[WIDTH];
    store(s, v);
    for (long n = WIDTH / 2; n > 0; n /= 2)
        for (long i = 0; i < n; i++) s[i] = s[i + n] > s[i] ? s[i + n] : s[i];
    return s[0];
#endif
}

// e^x for x <= 0 to 2e-7 of its value; exactly 0 below -87, before results turn denormal and slow.
inline vec exp(vec x) {
    const float shift = 12582912.0f; // 1.5·2^23: adding it rounds to an integer, left in the low bits
    vec clamped = x < -87.0f ? all(-87.0f) : x;
    vec shifted = clamped * 1.44269504f + shift;
    vec n = shifted - shift;
    vec r = clamped - n * 0.693359375f + n * 2.12194440e-4f; // ln 2 in two parts
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;         // Cephes expf
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    vec power = (vec)(((ints)shifted << 23) + (127 << 23));
    return x < -87.0f ? vec{} : p * power;
}

// An activation's value and slope at x, which share most of their work.
struct Both {
    vec value, slope;
};

struct Gelu { // exact (erf): x·Φ(x), and Φ(x) + x·φ(x), both to 3e-7
    static inline __attribute__((always_inline)) Both both(vec x) {
        const vec size = x < 0.0f ? -x : x;
        const vec bell = exp(x * x * -0.5f); // √(2π)·φ(x)
        const vec t = 1.0f / (size * 0.231641888f + 1.0f); // Abramowitz & Stegun 7.1.26, of size/√2
        vec p = t * 0.5307027145f - 0.7265760135f;
        p = p * t + 0.7107068705f;
        p = p * t - 0.142248368f;
        p = p * t + 0.127414796f;
        const vec above = p * t * bell; // Φ(-size)
        const vec phi = x < 0.0f ? above : 1.0f - above;
        return {x * phi, phi + x * bell * 0.3989422804f};
    }
};

struct Silu { // x·σ(x)
    static inline __attribute__((always_inline)) Both both(vec x) {
        const vec e = exp(x < 0.0f ? x : -x);
        const vec sigmoid = (x < 0.0f ? e : all(1.0f)) / (e + 1.0f);
        return {x * sigmoid, sigmoid * (1.0f + x * (1.0f - sigmoid))};
    }
};

} // namespace kernels
