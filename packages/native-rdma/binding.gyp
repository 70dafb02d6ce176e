{
  "targets": [
    {
      "target_name": "dwcp_native",
      "sources": [
        "native/addon.cc",
        "native/aes_gcm.cc",
        "native/allocate.cc",
        "native/delta_apply.cc",
        "native/delta_copies.cc",
        "native/delta_index.cc",
        "native/delta_match.cc",
        "native/delta_reference.cc",
        "native/delta_worth.cc",
        "native/dictionary.cc",
        "native/blake3.cc",
        "native/chunk.cc",
        "native/addon_pages.cc",
        "native/addon_stream.cc",
        "native/hash.cc",
        "native/job.cc",
        "native/library.cc",
        "native/lz4.cc",
        "native/memory.cc",
        "native/page_batch.cc",
        "native/page_delta_apply.cc",
        "native/page_delta_encode.cc",
        "native/page_frame.cc",
        "native/page_image.cc",
        "native/page_index.cc",
        "native/page_pool.cc",
        "native/page_references.cc",
        "native/page_scan.cc",
        "native/scratch.cc",
        "native/socket.cc",
        "native/stop.cc",
        "native/stream_frame.cc",
        "native/stream_link.cc",
        "native/stream_pool.cc",
        "native/stream_seal.cc",
        "native/stream_thread.cc",
        "native/zstd.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": [
        "NAPI_VERSION=9",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags_cc": ["-std=c++20", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"],
      "conditions": [["OS=='linux'", { "ldflags": ["-Wl,-z,nodelete"], "libraries": ["-ldl"] }]],
      "xcode_settings": { "CLANG_CXX_LANGUAGE_STANDARD": "c++20", "GCC_ENABLE_CPP_EXCEPTIONS": "NO" }
    }
  ]
}
