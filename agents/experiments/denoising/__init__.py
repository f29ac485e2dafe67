"""Does a denoiser denoise? The blog's experiment, repaired."""
