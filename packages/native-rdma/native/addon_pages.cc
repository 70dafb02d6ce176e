#include "addon_pages.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "arguments.h"
#include "job.h"
#include "page_batch.h"
#include "page_format.h"
#include "page_frame.h"
#include "page_image.h"

namespace dwcp {
namespace {

// Jobs hold what they work on, so that JavaScript may let go of it, or close it, while they run.
struct HeldImage {
  std::shared_ptr<PageImage> image;
};
struct HeldBatch {
  std::shared_ptr<PageBatch> batch;
};
struct HeldReader {
  std::shared_ptr<FrameReader> reader;
};

std::shared_ptr<PageImage> ImageOf(const Napi::Value& value) {
  return value.IsExternal() ? HeldBy<HeldImage>(value)->image : nullptr;
}

// Three numbers for each region: page length, bound in pages, first page counted through.
std::vector<RegionShape> ShapesOf(const Napi::Value& value) {
  const auto numbers = value.As<Napi::Float64Array>();
  std::vector<RegionShape> shapes;
  for (size_t at = 0; at + 3 <= numbers.ElementLength(); at += 3) {
    shapes.push_back({static_cast<size_t>(numbers[at]), static_cast<uint64_t>(numbers[at + 1]), static_cast<uint64_t>(numbers[at + 2])});
  }
  return shapes;
}

template <class Number, class Array>
std::vector<Number> CopyOf(const Napi::Value& value) {
  const auto array = value.As<Array>();
  return std::vector<Number>(array.Data(), array.Data() + array.ElementLength());
}

Napi::Value ImageCreate(const Napi::CallbackInfo& info) {
  return Hold(info.Env(), new HeldImage{std::make_shared<PageImage>(ShapesOf(info[0]))});
}

Napi::Value ImageFork(const Napi::CallbackInfo& info) {
  const auto list = info[2].As<Napi::Array>();
  std::vector<std::shared_ptr<PageImage>> others;
  for (uint32_t at = 0; at < list.Length(); ++at) others.push_back(ImageOf(list.Get(at)));
  return Hold(info.Env(), new HeldImage{std::make_shared<PageImage>(*ImageOf(info[0]), ShapesOf(info[1]), others)});
}

void ImageClose(const Napi::CallbackInfo& info) { HeldBy<HeldImage>(info[0])->image.reset(); }

Napi::Value ImageKeep(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), static_cast<double>(ImageOf(info[0])->Keep())); }

Napi::Value ImageUnkeep(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), static_cast<double>(ImageOf(info[0])->Unkeep())); }

Napi::Value ImageLength(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(ImageOf(info[0])->LengthBytes()));
}

// How many of the pages the image has, at whatever address: a 32-bit number.
Napi::Value ImageCountKnown(const Napi::CallbackInfo& info) {
  return RunJob(info, [image = ImageOf(info[2]), page_bytes = CountOf(info[3])](Bytes pages, Bytes) {
    const auto known = static_cast<uint32_t>(image->CountKnown(pages, page_bytes));
    Outcome outcome;
    if (!outcome.bytes.Allocate(sizeof(known))) return NoMemoryFor(sizeof(known));
    std::memcpy(outcome.bytes.data(), &known, sizeof(known));
    return outcome;
  });
}

Napi::Value ReaderCreate(const Napi::CallbackInfo& info) {
  return Hold(info.Env(), new HeldReader{std::make_shared<FrameReader>(ImageOf(info[0]))});
}

void ReaderClose(const Napi::CallbackInfo& info) { HeldBy<HeldReader>(info[0])->reader.reset(); }

Napi::Value ReaderRead(const Napi::CallbackInfo& info) {
  auto frame = std::make_shared<PageFrame>();
  frame->region = CountOf(info[3]);
  frame->page_bytes = CountOf(info[4]);
  frame->pages = CopyOf<uint32_t, Napi::Uint32Array>(info[5]);
  frame->outcomes = CopyOf<uint8_t, Napi::Uint8Array>(info[6]);
  frame->references = CopyOf<uint32_t, Napi::Uint32Array>(info[7]);
  frame->sources = CopyOf<uint32_t, Napi::Uint32Array>(info[8]);
  frame->method = static_cast<PackMethod>(CountOf(info[9]));
  frame->head = CopyOf<uint8_t, Napi::Uint8Array>(info[10]);
  const auto check = info[11].As<Napi::Uint8Array>();
  if (check.ByteLength() == kDigestBytes) std::copy_n(check.Data(), kDigestBytes, frame->check.emplace().begin());
  // Lent by the caller until the job is done; empty where the pages are to be handed out.
  auto memory = info[1].As<Napi::Uint8Array>();
  uint8_t* target = memory.ByteLength() > 0 ? memory.Data() : nullptr;
  return RunJob(info, [reader = HeldBy<HeldReader>(info[2])->reader, frame, target](Bytes payload, Bytes) {
    return reader->Read(*frame, payload, target);
  });
}

Napi::Value BatchCreate(const Napi::CallbackInfo& info) {
  return Hold(info.Env(), new HeldBatch{std::make_shared<PageBatch>(ImageOf(info[0]))});
}

void BatchClose(const Napi::CallbackInfo& info) { HeldBy<HeldBatch>(info[0])->batch.reset(); }

Napi::Value BatchTake(const Napi::CallbackInfo& info) {
  const TakeOptions options = {.region = CountOf(info[3]),
                               .page_bytes = CountOf(info[4]),
                               .zeros = info[5].As<Napi::Boolean>(),
                               .duplicates = info[6].As<Napi::Boolean>(),
                               .delta = info[7].As<Napi::Boolean>(),
                               .changed_pages = CountOf(info[8])};
  return RunJob(info, [batch = HeldBy<HeldBatch>(info[2])->batch, options](Bytes pages, Bytes numbers) {
    return batch->Take(pages, numbers, options);
  });
}

Napi::Value BatchPack(const Napi::CallbackInfo& info) {
  const auto method = static_cast<PackMethod>(CountOf(info[3]));
  const int level = info[4].As<Napi::Number>().Int32Value();
  const size_t spare = CountOf(info[5]);
  return RunJob(info, [batch = HeldBy<HeldBatch>(info[2])->batch, method, level, spare](Bytes, Bytes) {
    return batch->Pack(method, level, spare, kDigestBytes);
  });
}

// On the calling thread: a few pages.
Napi::Value BatchSample(const Napi::CallbackInfo& info) {
  auto now = info[1].As<Napi::Uint8Array>();
  auto old = info[2].As<Napi::Uint8Array>();
  const size_t most = now.ByteLength() / CountOf(info[3]);
  return Napi::Number::New(info.Env(), static_cast<double>(HeldBy<HeldBatch>(info[0])->batch->Sample(most, now.Data(), old.Data())));
}

}  // namespace

void ExportPages(Napi::Env env, Napi::Object exports) {
  exports.Set("imageCreate", Napi::Function::New(env, ImageCreate, "imageCreate"));
  exports.Set("imageFork", Napi::Function::New(env, ImageFork, "imageFork"));
  exports.Set("imageClose", Napi::Function::New(env, ImageClose, "imageClose"));
  exports.Set("imageKeep", Napi::Function::New(env, ImageKeep, "imageKeep"));
  exports.Set("imageUnkeep", Napi::Function::New(env, ImageUnkeep, "imageUnkeep"));
  exports.Set("imageLength", Napi::Function::New(env, ImageLength, "imageLength"));
  exports.Set("imageCountKnown", Napi::Function::New(env, ImageCountKnown, "imageCountKnown"));
  exports.Set("readerCreate", Napi::Function::New(env, ReaderCreate, "readerCreate"));
  exports.Set("readerClose", Napi::Function::New(env, ReaderClose, "readerClose"));
  exports.Set("readerRead", Napi::Function::New(env, ReaderRead, "readerRead"));
  exports.Set("batchCreate", Napi::Function::New(env, BatchCreate, "batchCreate"));
  exports.Set("batchClose", Napi::Function::New(env, BatchClose, "batchClose"));
  exports.Set("batchTake", Napi::Function::New(env, BatchTake, "batchTake"));
  exports.Set("batchPack", Napi::Function::New(env, BatchPack, "batchPack"));
  exports.Set("batchSample", Napi::Function::New(env, BatchSample, "batchSample"));
}

}  // namespace dwcp
