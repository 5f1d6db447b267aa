// Matrix products of matrices that are in the cache, and the layout of their right sides.

#pragma once

#include <algorithm>
#include <type_traits>

#include "vectors.h"

namespace kernels {

// A tile of the result is TALL rows of one vector, or half as many rows of two: its sums stay in registers.
#if defined(__AVX512F__)
constexpr long TALL = 16;
#elif defined(__AVX2__)
constexpr long TALL = 8;
#else
constexpr long TALL = 4;
#endif
constexpr long ROWS = 16; // to a multiple of which rows are padded: one of TALL on every processor
constexpr long PANEL = 2 * WIDTH;

// The left side of a product: element (i, k) is data[i·row + k·column]; one of the two is 1.
struct Left {
    const float *data;
    long row, column;
};

inline Left rows_of(const float *data, long stride) { return {data, stride, 1}; }
inline Left transpose_of(const float *data, long stride) { return {data, 1, stride}; }

// The right side (K, N), N a multiple of WIDTH: row by row in memory, or in panels of up to PANEL columns,
// each of which is (K, columns) without gaps.
struct Right {
    const float *data;
    long stride; // of rows; 0 for panels
};

// What the sums of a product begin with: zeros, a row for all rows of the result, or the result itself.
enum class Begin { ZERO, ROW, RESULT };

// Loops over a tile are unrolled, or its sums would wander between registers and memory.
template <int M, int N, bool transposed>
inline void tile(Left a, const float *b, long b_stride, float *c, long c_stride, long K, Begin begin,
                 const float *row) {
    vec sums[M][N];
#pragma GCC unroll 16
    for (int i = 0; i < M; i++)
#pragma GCC unroll 2
        for (int j = 0; j < N; j++)
            sums[i][j] = begin == Begin::ZERO ? vec{} : load((begin == Begin::ROW ? row : c + i * c_stride) + j * WIDTH);
    for (long k = 0; k < K; k++) {
        vec right[N];
#pragma GCC unroll 2
        for (int j = 0; j < N; j++) right[j] = load(b + k * b_stride + j * WIDTH);
#pragma GCC unroll 16
        for (int i = 0; i < M; i++) {
            const float left = transposed ? a.data[i + k * a.column] : a.data[i * a.row + k];
#pragma GCC unroll 2
            for (int j = 0; j < N; j++) sums[i][j] += left * right[j];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < M; i++)
#pragma GCC unroll 2
        for (int j = 0; j < N; j++) store(c + i * c_stride + j * WIDTH, sums[i][j]);
}

// A panel of N vectors of the result, tile by tile.
template <int N>
inline void columns(long rows, Left a, const float *b, long b_stride, float *c, long c_stride, long K, Begin begin,
                    const float *row) {
    auto tiles = [&](auto height, long i) {
        constexpr int M = decltype(height)::value;
        const Left part = {a.data + i * a.row, a.row, a.column};
        if (a.row == 1)
            tile<M, N, true>(part, b, b_stride, c + i * c_stride, c_stride, K, begin, row);
        else
            tile<M, N, false>(part, b, b_stride, c + i * c_stride, c_stride, K, begin, row);
        return i + M;
    };
    for (long i = 0; i < rows;) {
        const long left = rows - i;
        if (N == 2 && TALL == 8 && left >= 6 && left != 8) // sixteen registers are best filled so; 8 are two of 4
            i = tiles(std::integral_constant<int, 6>(), i);
        else
            i = tiles(std::integral_constant<int, N == 2 ? TALL / 2 : TALL>(), i);
    }
}

// C (M, N) = begin + A·B. M is a multiple of TALL and N one of WIDTH. row (N,): what Begin::ROW begins with.
inline void multiply(long M, long N, long K, Left a, Right b, float *c, long c_stride, Begin begin = Begin::ZERO,
                     const float *row = nullptr) {
    long j = 0;
    for (; j + PANEL <= N; j += PANEL) {
        const float *from = b.stride ? b.data + j : b.data + j * K;
        columns<2>(M, a, from, b.stride ? b.stride : PANEL, c + j, c_stride, K, begin, row + j);
    }
    if (j < N) {
        const float *from = b.stride ? b.data + j : b.data + j * K;
        columns<1>(M, a, from, b.stride ? b.stride : WIDTH, c + j, c_stride, K, begin, row + j);
    }
}

// How many columns the panel of column n has, of N columns in all.
inline long panel_width(long n, long N) { return std::min(PANEL, N - n / PANEL * PANEL); }

// Where element (k, n) of a right side (K, N) in panels lies.
inline long panel_place(long k, long n, long K, long N) {
    return n / PANEL * PANEL * K + k * panel_width(n, N) + n % PANEL;
}

} // namespace kernels
