// A kernel that an architecture below 9.0 does not have.
#if __CUDA_ARCH__ >= 900
extern "C" __global__ void guarded(int* x) {
  asm volatile("griddepcontrol.wait;" ::: "memory");
  *x = 1;
}
#endif
extern "C" __global__ void everywhere(int* x) {
  *x = 1;
}
