// The block-scaled codecs of the BitNet.rs crates, as csrc/kernels/block_quantize/codecs.hpp and
// block_dequantize/decoders.hpp have them: scale and code of a block, value of a code. float32,
// every operation rounded.
#pragma once

#include "device/activations.cuh"

// What the codes of a block depend on.
struct block_seen {
  u32 most = 0;    // 1 + bits of the largest magnitude that is not NaN; 0 where all are
  u32 finite = 0;  // bits of the largest finite magnitude

  BP_DEVICE void look(float x) {
    const u32 bits = __float_as_uint(x) & 0x7fffffffu;
    if (bits <= infinity_bits) most = max(most, bits + 1);
    if (bits < infinity_bits) finite = max(finite, bits);
  }
  BP_DEVICE float absmax() const { return most == 0 ? 0.0f : __uint_as_float(most - 1); }

  // Scale of quant.* codecs.
  BP_DEVICE float quant_scale() const {
    const float found = __uint_as_float(finite);
    return found < 1e-30f ? 1.0f : fminf(found, 1e30f);
  }
  // Of kernel.* codecs.
  BP_DEVICE float kernel_scale() const {
    return absmax() > 1e-8f ? __fdiv_rn(absmax(), 1.5f) : 1.0f;
  }
};

BP_DEVICE float pick(u32 code, float a, float b, float c, float d) {
  return (code & 2u) != 0 ? ((code & 1u) != 0 ? d : c) : ((code & 1u) != 0 ? b : a);
}
BP_DEVICE float level(u32 code) {
  return pick(code, -2.0f, -1.0f, 0.0f, 1.0f);
}
BP_DEVICE float sign(u32 code) {
  return pick(code, 0.0f, 1.0f, 0.0f, -1.0f);
}
BP_DEVICE u32 sign_code(float r) {
  return r > 0.5f ? 1u : r < -0.5f ? 3u : 0u;
}
// A scale that is not finite decodes to 0 where the codec checks it.
BP_DEVICE bool is_finite(float x) {
  return (__float_as_uint(x) & 0x7fffffffu) < infinity_bits;
}

// Members of a codec: any_block, whether the caller chooses the block; bytes, a code a byte, else
// four; merges, codes are ORed into what is there; scale(seen), what is stored; unit(seen), what
// code(x, unit) depends on; value(code, scale).
struct quant_i2s {
  static constexpr bool any_block = true, bytes = false, merges = false;
  BP_DEVICE static float scale(const block_seen& seen) { return seen.quant_scale(); }
  BP_DEVICE static float unit(const block_seen& seen) { return seen.quant_scale(); }
  BP_DEVICE static u32 code(float x, float unit) {
    if (!is_finite(x)) return 2;
    const float r = __fdiv_rn(x, unit);
    return 2u + (r >= 0.5f) - (r <= -0.5f) - (r <= -1.5f);
  }
  BP_DEVICE static float value(u32 code, float scale) {
    return is_finite(scale) ? __fmul_rn(level(code), scale) : 0.0f;
  }
};

// unit infinite: the block holds infinity, or only NaN, and every code is 2.
struct quant_tl1 {
  static constexpr bool any_block = true, bytes = false, merges = false;
  BP_DEVICE static float scale(const block_seen& seen) { return seen.quant_scale(); }
  BP_DEVICE static float unit(const block_seen& seen) {
    if (seen.most == 0) return __uint_as_float(infinity_bits);
    return seen.absmax() == 0.0f ? 1.0f : seen.absmax();
  }
  BP_DEVICE static u32 code(float x, float unit) {
    if (!is_finite(unit)) return 2;
    if (x != x) return 0;
    const float v = __fadd_rn(__fdiv_rn(x, unit), 128.0f);
    return 1u + (v >= 127.5f) + (v >= 128.5f);
  }
  BP_DEVICE static float value(u32 code, float scale) { return __fmul_rn(level(code), scale); }
};

struct quant_tl2 {
  static constexpr bool any_block = true, bytes = false, merges = false;
  BP_DEVICE static float scale(const block_seen& seen) { return seen.quant_scale(); }
  BP_DEVICE static float unit(const block_seen& seen) { return seen.quant_scale(); }
  BP_DEVICE static u32 code(float x, float unit) {
    const float v = __fadd_rn(__fmul_rn(__fdiv_rn(x, unit), 128.0f), 128.0f);
    return 1u + (v >= 64.5f) + (v >= 191.5f);
  }
  BP_DEVICE static float value(u32 code, float scale) {
    return is_finite(scale) ? __fmul_rn(level(code), scale) : 0.0f;
  }
};

struct device_codec {
  static constexpr bool any_block = false, merges = false;
  BP_DEVICE static float scale(const block_seen& seen) { return seen.absmax(); }
  BP_DEVICE static float unit(const block_seen& seen) { return seen.absmax(); }
  BP_DEVICE static float ratio(float x, float s) { return s > 0.0f ? __fdiv_rn(x, s) : 0.0f; }
  // A ratio cut to -1 ... 1, truncated in steps; NaN gives 0.
  BP_DEVICE static u32 step(float x, float s, float half_range) {
    const float r = ratio(x, s);
    if (r != r) return 0;
    const float cut = r < -1.0f ? -1.0f : r > 1.0f ? 1.0f : r;
    return static_cast<u32>(__fmul_rn(__fadd_rn(cut, 1.0f), half_range));
  }
};

struct device_i2s : device_codec {
  static constexpr bool bytes = false;
  BP_DEVICE static u32 code(float x, float unit) { return sign_code(ratio(x, unit)); }
  BP_DEVICE static float value(u32 code, float scale) { return __fmul_rn(sign(code), scale); }
};

struct device_tl1 : device_codec {
  static constexpr bool bytes = true;
  BP_DEVICE static u32 code(float x, float unit) { return step(x, unit, 7.5f); }
  BP_DEVICE static float value(u32 code, float scale) {
    const u32 at = code < 15 ? code : 15;
    const float low = pick(at, -1.0f, -0.8667f, -0.7333f, -0.6f);
    const float below = pick(at, -0.4667f, -0.3333f, -0.2f, -0.0667f);
    const float above = pick(at, 0.0667f, 0.2f, 0.3333f, 0.4667f);
    const float high = pick(at, 0.6f, 0.7333f, 0.8667f, 1.0f);
    return __fmul_rn(pick(at >> 2, low, below, above, high), scale);
  }
};

struct device_tl2 : device_codec {
  static constexpr bool bytes = false;
  BP_DEVICE static u32 code(float x, float unit) { return step(x, unit, 1.5f); }
  BP_DEVICE static float value(u32 code, float scale) {
    return __fmul_rn(pick(code, -1.0f, -0.33f, 0.33f, 1.0f), scale);
  }
};

struct kernel_codec {
  static constexpr bool any_block = false, bytes = false, merges = true;
  BP_DEVICE static float scale(const block_seen& seen) { return seen.kernel_scale(); }
  BP_DEVICE static float unit(const block_seen& seen) { return seen.kernel_scale(); }
  // The entry nearest to r: the first of equals; 0 where all distances are NaN.
  BP_DEVICE static u32 nearest(float r, float a, float b, float c, float d) {
    const float table[4] = {a, b, c, d};
    u32 best = 0;
    float distance = fabsf(__fadd_rn(r, -a));
#pragma unroll
    for (u32 i = 1; i < 4; ++i) {
      const float other = fabsf(__fadd_rn(r, -table[i]));
      best = other < distance ? i : best;
      distance = other < distance ? other : distance;
    }
    return best;
  }
};

struct kernel_i2s : kernel_codec {
  BP_DEVICE static u32 code(float x, float unit) { return sign_code(__fdiv_rn(x, unit)); }
  BP_DEVICE static float value(u32 code, float scale) { return __fmul_rn(sign(code), scale); }
};

struct kernel_tl1 : kernel_codec {
  BP_DEVICE static u32 code(float x, float unit) {
    return nearest(__fdiv_rn(x, unit), -1.0f, -0.33f, 0.33f, 1.0f);
  }
  BP_DEVICE static float value(u32 code, float scale) {
    return __fmul_rn(pick(code, -1.0f, -0.33f, 0.33f, 1.0f), scale);
  }
};

struct kernel_tl2 : kernel_codec {
  BP_DEVICE static u32 code(float x, float unit) {
    return nearest(__fdiv_rn(x, unit), -1.2f, -0.4f, 0.4f, 1.2f);
  }
  BP_DEVICE static float value(u32 code, float scale) {
    return __fmul_rn(pick(code, -1.2f, -0.4f, 0.4f, 1.2f), scale);
  }
};
