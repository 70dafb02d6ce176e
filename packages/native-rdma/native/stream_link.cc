#include "stream_link.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace dwcp {
namespace {

// One turn of one link, so that others and Close() wait no longer than that takes.
constexpr size_t kTurnBytes = 1 << 20;
// Read beyond the end of a body in the same call: copied, so not much.
constexpr size_t kStagingBytes = 8 << 10;
// Sealed at a time: it is sent while it is still in the cache.
constexpr size_t kScratchBytes = 128 << 10;
// Opened at a time, once so much is there: whole blocks of the cipher.
constexpr size_t kOpenStepBytes = 4 << 10;
constexpr size_t kSealedHeadBytes = kHeadBytes + kTagBytes;
constexpr size_t kFramesAtOnce = 16;
// What a frame costs in the queue beside its body.
constexpr size_t kFrameCost = 256;

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;  // Node ignores SIGPIPE.
#endif

bool IsTryAgain(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

StreamLink::StreamLink(int fd, LinkOptions options, std::function<void()> notify)
    : options_(std::move(options)), notify_(std::move(notify)), fd_(fd), staging_(kStagingBytes) {
  if (IsSealed()) scratch_.resize(kScratchBytes + kSealedHeadBytes + kTagBytes);
}

StreamLink::~StreamLink() { CloseDescriptor(); }

void StreamLink::Begin(Bytes received) {
  const std::lock_guard lock(io_);
  received_bytes_ += received.length;
  Consume(received.data, received.length);
  TellNews();
}

bool StreamLink::Write(const OutgoingFrame& frame) {
  const std::lock_guard lock(queues_);
  outgoing_.push_back(frame);
  outgoing_cost_ += frame.head.length + kFrameCost;
  return outgoing_.size() == 1;
}

bool StreamLink::Take(LinkNews& news, bool wants_frames) {
  const std::lock_guard lock(queues_);
  news.sent_frames = std::exchange(news_.sent_frames, 0);
  news.end = news_.end;
  news.system_error = news_.system_error;
  is_told_ = false;
  if (!wants_frames) return false;
  news.frames.swap(news_.frames);
  incoming_cost_ = 0;
  return std::exchange(is_full_, false);
}

bool StreamLink::End() {
  const std::lock_guard lock(queues_);
  return !std::exchange(is_ending_, true);
}

void StreamLink::Close() {
  const std::lock_guard lock(io_);
  notify_ = nullptr;
  Finish(LinkEnd::kClosed);
  CloseDescriptor();
}

StreamLink::Interest StreamLink::Wants() {
  const std::lock_guard lock(io_);
  if (end_ != LinkEnd::kOpen) return {};
  const std::lock_guard queues(queues_);
  const bool is_sending = !sending_.empty() || scratch_from_ < scratch_to_ || !outgoing_.empty() || (is_ending_ && !is_shut_);
  return {fd_, !is_full_ && !has_peer_ended_, is_sending};
}

void StreamLink::OnReady(bool readable, bool writable) {
  const std::lock_guard lock(io_);
  if (readable && end_ == LinkEnd::kOpen) Receive();
  if (writable && end_ == LinkEnd::kOpen) Send();
  TellNews();
}

void StreamLink::Finish(LinkEnd end, int system_error) {
  if (end_ != LinkEnd::kOpen) return;
  end_ = end;
  // Closed by Close(): who asks for its number meanwhile must not be told that of another file.
  shutdown(fd_, SHUT_RDWR);
  sending_.clear();
  arriving_.body.Reset();
  {
    const std::lock_guard lock(queues_);
    outgoing_.clear();
    news_.end = end;
    news_.system_error = system_error;
  }
  Tell();
}

void StreamLink::Tell() {
  {
    const std::lock_guard lock(queues_);
    if (std::exchange(is_told_, true)) return;
  }
  if (notify_) notify_();
}

void StreamLink::TellNews() {
  {
    const std::lock_guard lock(queues_);
    if (!std::exchange(has_news_, false)) return;
  }
  Tell();
}

void StreamLink::CloseDescriptor() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void StreamLink::Send() {
  size_t budget = kTurnBytes;
  // Each turn sends some of the budget, or ends the loop.
  while (end_ == LinkEnd::kOpen && budget > 0 && (IsSealed() ? SendSealed(budget) : SendOpen(budget))) continue;
  if (end_ != LinkEnd::kOpen || !sending_.empty() || scratch_from_ < scratch_to_) return;
  {
    const std::lock_guard lock(queues_);
    if (!is_ending_ || !outgoing_.empty()) return;
  }
  if (has_peer_ended_) return Finish(LinkEnd::kEnded);
  if (!std::exchange(is_shut_, true)) shutdown(fd_, SHUT_WR);
}

bool StreamLink::NextToSend(Sending& sending) {
  const std::lock_guard lock(queues_);
  if (outgoing_.empty()) return false;
  sending.frame = outgoing_.front();
  outgoing_.pop_front();
  return true;
}

void StreamLink::CountSent(uint64_t frames, size_t cost) {
  if (frames == 0) return;
  const std::lock_guard lock(queues_);
  news_.sent_frames += frames;
  outgoing_cost_ -= cost;
  if (outgoing_cost_ <= options_.send_queue_bytes / 2) has_news_ = true;
}

size_t StreamLink::Push(iovec* parts, size_t count) {
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  const ssize_t sent = sendmsg(fd_, &message, kSendFlags);
  if (sent >= 0) {
    sent_bytes_ += static_cast<uint64_t>(sent);
    return static_cast<size_t>(sent);
  }
  if (!IsTryAgain(errno)) Finish(LinkEnd::kSystem, errno);
  return 0;
}

bool StreamLink::SendOpen(size_t& budget) {
  size_t total = 0;
  for (const Sending& held : sending_) total += kOpenHeadBytes + held.frame.head.length;
  total -= sending_offset_;
  Sending next;
  while (total < budget && sending_.size() < kFramesAtOnce && NextToSend(next)) {
    // Here and not earlier: the body is in the cache when the system copies it.
    if (!next.frame.has_digest) Hash({next.frame.body, next.frame.head.length}, next.frame.digest.data());
    EncodeOpenHead(next.frame.head, next.frame.digest.data(), next.head.data());
    total += kOpenHeadBytes + next.frame.head.length;
    sending_.push_back(next);
  }
  if (sending_.empty()) return false;

  iovec parts[2 * kFramesAtOnce];
  size_t count = 0;
  size_t skip = sending_offset_;
  const auto add = [&](const uint8_t* data, size_t length) {
    const size_t skipped = std::min(skip, length);
    skip -= skipped;
    if (length > skipped) parts[count++] = {const_cast<uint8_t*>(data) + skipped, length - skipped};
  };
  for (const Sending& held : sending_) {
    add(held.head.data(), kOpenHeadBytes);
    add(held.frame.body, held.frame.head.length);
  }
  const size_t sent = Push(parts, count);
  if (sent == 0) return false;
  budget -= std::min(budget, sent);
  sending_offset_ += sent;
  uint64_t frames = 0;
  size_t cost = 0;
  while (!sending_.empty() && sending_offset_ >= kOpenHeadBytes + sending_.front().frame.head.length) {
    sending_offset_ -= kOpenHeadBytes + sending_.front().frame.head.length;
    cost += sending_.front().frame.head.length + kFrameCost;
    sending_.pop_front();
    ++frames;
  }
  CountSent(frames, cost);
  return sent == total;
}

bool StreamLink::SendSealed(size_t& budget) {
  if (scratch_from_ == scratch_to_ && !FillScratch()) {
    Finish(LinkEnd::kOutOfMemory);
    return false;
  }
  if (scratch_from_ == scratch_to_) return false;
  iovec part = {scratch_.data() + scratch_from_, scratch_to_ - scratch_from_};
  const size_t sent = Push(&part, 1);
  budget -= std::min(budget, sent);
  scratch_from_ += sent;
  return scratch_from_ == scratch_to_ && sent > 0;
}

// False when the cipher refuses. A frame whose body is sealed is sent, for all that its lender must know.
bool StreamLink::FillScratch() {
  Seal& seal = *options_.sealing;
  scratch_from_ = scratch_to_ = 0;
  uint64_t frames = 0;
  size_t cost = 0;
  while (scratch_to_ < kScratchBytes) {
    if (sending_.empty()) {
      Sending next;
      if (!NextToSend(next)) break;
      sending_.push_back(next);
      sealed_ = 0;
      has_sealed_head_ = false;
    }
    const OutgoingFrame& frame = sending_.front().frame;
    if (!has_sealed_head_) {
      uint8_t* to = scratch_.data() + scratch_to_;
      EncodeHead(frame.head, to);
      if (!seal.BeginFrame() || !seal.BeginRecord() || !seal.Update(to, kHeadBytes, to) || !seal.FinishSealed(to + kHeadBytes)) return false;
      scratch_to_ += kSealedHeadBytes;
      has_sealed_head_ = true;
      if (frame.head.length > 0 && !seal.BeginRecord()) return false;
    }
    if (scratch_to_ < kScratchBytes) {
      const size_t part = std::min<size_t>(frame.head.length - sealed_, kScratchBytes - scratch_to_);
      if (!seal.Update(frame.body + sealed_, part, scratch_.data() + scratch_to_)) return false;
      sealed_ += part;
      scratch_to_ += part;
    }
    if (sealed_ < frame.head.length) continue;
    if (frame.head.length > 0) {
      if (!seal.FinishSealed(scratch_.data() + scratch_to_)) return false;
      scratch_to_ += kTagBytes;
    }
    cost += frame.head.length + kFrameCost;
    sending_.pop_front();
    ++frames;
  }
  CountSent(frames, cost);
  return true;
}

bool StreamLink::HasRoom() {
  const std::lock_guard lock(queues_);
  is_full_ = incoming_cost_ >= options_.receive_queue_bytes;
  return !is_full_;
}

void StreamLink::Receive() {
  size_t budget = kTurnBytes;
  // Each turn takes some of the budget, or ends the loop.
  while (end_ == LinkEnd::kOpen && !has_peer_ended_ && budget > 0 && HasRoom()) {
    const size_t wanted = in_body_ ? arriving_.head.length + (IsSealed() ? kTagBytes : 0) - body_filled_ : 0;
    iovec parts[2] = {{in_body_ ? arriving_.body.data() + body_filled_ : nullptr, wanted}, {staging_.data(), staging_.size()}};
    const bool is_direct = wanted > 0;
    const ssize_t got = readv(fd_, is_direct ? parts : parts + 1, is_direct ? 2 : 1);
    if (got < 0) {
      if (!IsTryAgain(errno)) Finish(LinkEnd::kSystem, errno);
      return;
    }
    if (got == 0) return EndWithPeer();
    const auto length = static_cast<size_t>(got);
    received_bytes_ += length;
    budget -= std::min(budget, length);
    const size_t direct = std::min(length, wanted);
    if (direct > 0) AdvanceBody(direct);
    Consume(staging_.data(), length - direct);
    if (length < wanted) return;
  }
}

void StreamLink::EndWithPeer() {
  if (in_body_ || head_filled_ > 0) return Finish(LinkEnd::kCutOff);
  has_peer_ended_ = true;
  End();
  Send();
}

void StreamLink::Consume(const uint8_t* bytes, size_t length) {
  while (length > 0 && end_ == LinkEnd::kOpen) {
    size_t part;
    if (in_body_) {
      part = std::min<size_t>(length, arriving_.head.length + (IsSealed() ? kTagBytes : 0) - body_filled_);
      std::copy_n(bytes, part, arriving_.body.data() + body_filled_);
      AdvanceBody(part);
    } else {
      const size_t whole = IsSealed() ? kSealedHeadBytes : kOpenHeadBytes;
      part = std::min(length, whole - head_filled_);
      std::copy_n(bytes, part, head_.data() + head_filled_);
      head_filled_ += part;
      if (head_filled_ == whole) TakeHead();
    }
    bytes += part;
    length -= part;
  }
}

void StreamLink::TakeHead() {
  head_filled_ = 0;
  if (IsSealed()) {
    Seal& seal = *options_.opening;
    if (!seal.BeginFrame() || !seal.BeginRecord()) return Finish(LinkEnd::kOutOfMemory);
    if (!seal.Update(head_.data(), kHeadBytes, head_.data()) || !seal.FinishOpened(head_.data() + kHeadBytes)) {
      return Finish(LinkEnd::kForged);
    }
  } else if (!IsOpenHead(head_.data())) {
    return Finish(LinkEnd::kDamagedHead);
  }
  arriving_.head = DecodeHead(head_.data());
  const uint32_t room = options_.rooms[arriving_.head.type];
  // Before anything is allocated.
  if (room == 0 || arriving_.head.length > room - 1) return Finish(LinkEnd::kRefusedLength);
  if (!arriving_.body.Take(arriving_.head.length)) return Finish(LinkEnd::kOutOfMemory);
  in_body_ = true;
  body_filled_ = body_opened_ = 0;
  if (arriving_.head.length == 0) return FinishBody();
  if (IsSealed() && !options_.opening->BeginRecord()) Finish(LinkEnd::kOutOfMemory);
}

void StreamLink::AdvanceBody(size_t length) {
  body_filled_ += length;
  const size_t whole = arriving_.head.length;
  if (IsSealed()) {
    const bool is_whole = body_filled_ == whole + kTagBytes;
    const size_t ready = std::min(body_filled_, whole);
    const size_t part = is_whole ? whole - body_opened_ : (ready - body_opened_) / kOpenStepBytes * kOpenStepBytes;
    uint8_t* at = arriving_.body.data() + body_opened_;
    if (part > 0 && !options_.opening->Update(at, part, at)) return Finish(LinkEnd::kForged);
    body_opened_ += part;
    if (is_whole) FinishBody();
  } else if (body_filled_ == whole) {
    FinishBody();
  }
}

void StreamLink::FinishBody() {
  in_body_ = false;
  const size_t length = arriving_.head.length;
  if (IsSealed() && length > 0 && !options_.opening->FinishOpened(arriving_.body.data() + length)) return Finish(LinkEnd::kForged);
  Hash({arriving_.body.data(), length}, arriving_.digest.data());
  if (!IsSealed()) arriving_.is_intact = std::memcmp(arriving_.digest.data(), head_.data() + kHeadBytes, kDigestBytes) == 0;
  {
    const std::lock_guard lock(queues_);
    incoming_cost_ += length + kFrameCost;
    news_.frames.push_back(std::move(arriving_));
    has_news_ = true;
  }
  arriving_ = IncomingFrame();
}

}  // namespace dwcp
