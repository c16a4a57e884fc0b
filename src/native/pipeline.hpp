// The network as a pipeline of rows: luma rows go in at the top, sums of the last convolution come out below.
//
// Each layer keeps the rows of its output that others still need in a ring: 3, or 5 for the last convolution, or m + 1
// for the first, whose features are added to the last ones. Where the next layer reads rows in Winograd's form, they
// are transformed as soon as they are made, and the ring holds transformed rows. For every row that enters, each layer
// makes one. Rows above and below the picture are not computed: they are the padding, one constant row a layer. So
// memory grows with the width alone.
//
// Rows of a wide picture leave the cache before the next layer reads them. There the layers run on strips of columns,
// one strip after the other, some rows at a time: a strip's rows come into the cache once for all of these. Strips
// overlap, because near its sides a strip does not see its neighbors' features. What is wrong there is computed once
// more by the neighbor.
#pragma once
#include <vector>

#include "network.hpp"

namespace sesr {

// The picture that a network runs on: supplies rows of luma and receives results.
class Rows {
  public:
    virtual ~Rows() = default;
    // Writes luma row y to `row`, as the first convolution reads it.
    virtual void read(Index y, void* row) = 0;
    // Receives the last convolution's sums for input row y: scale^2 planes, `stride` numbers of 32 bits apart.
    virtual void write(Index y, const void* sums, Index stride) = 0;
};

// The latest rows of one layer.
class Ring {
  public:
    // `planes` of `pixel` elements a pixel each, `bytes` an element.
    Ring(Index rows, Index width, Index planes, Index pixel, Index bytes, Index height);
    // Pixel 0 of row y; above and below the picture, of the row of padding.
    char* at(Index y) const;
    // Fills the row's ends with the padding.
    void pad(Index y, std::int32_t padding) const;
    // Fills everything with the padding.
    void fill(std::int32_t padding) const;
    Index plane() const { return plane_; }  // bytes from one plane to the next

  private:
    void put(char* pixel, Index count, std::int32_t padding) const;
    Index rows_, width_, planes_, pixel_, bytes_, height_, plane_, row_;
    Memory memory_;
};

// The latest three rows of one layer, in Winograd's form.
class TileRing {
  public:
    TileRing(Index bytes, Index height);
    // Row y; above and below the picture, the row of padding.
    char* at(Index y) const;

  private:
    static constexpr Index ROWS = 3;
    Index height_, row_;
    Memory memory_;
};

// The input rows whose results a pipeline is to compute.
struct Band {
    Index first, last;  // exclusive
    Index height;       // of the picture

    // True for a row of the picture that is at most `reach` rows from the band.
    bool needs(Index y, Index reach) const { return y >= first - reach && y < last + reach && y >= 0 && y < height; }
};

// The columns of a strip. Results are right in those that it keeps.
struct Columns {
    Index start, stop, keep_start, keep_stop;  // exclusive
};

// The strips that the columns of a picture are cut into, from left to right; one for all but wide pictures.
std::vector<Columns> plan_strips(const Network& network, Index width);

// All layers on a strip of columns.
class Strip {
  public:
    Strip(const Network& network, const Columns& columns, Index height);
    // Takes luma row y, of the whole picture, and makes one row of each layer where the band needs it. Of the last one
    // these are the sums of row y - radius, scale^2 planes of the whole picture.
    void enter(Index y, const Ring& luma, const Band& band, char* sums, Index stride);

  private:
    void advance(std::size_t stage, Index y, const Ring& luma);
    void add(Index y);
    void finish(Index y, char* sums, Index stride);
    void make_rings(Index height);
    // True if the next layer reads a layer's rows in Winograd's form.
    bool tiled(std::size_t stage) const;
    // A layer's rows as they are. Those that are needed just after they were made share one row.
    const Ring& features(std::size_t stage) const { return rings_[ring_of_[stage]]; }
    const Network& network_;
    Columns columns_;
    Index width_;
    std::vector<Ring> rings_;           // of the first convolution and those in the middle
    std::vector<std::size_t> ring_of_;  // the place of each layer's ring among them
    std::vector<TileRing> tiles_;       // of the same layers, empty where they are not tiled
    Ring residual_sums_;
    Tail tail_;
    Memory scratch_;
};

class Pipeline {
  public:
    Pipeline(const Network& network, Index width, Index height);
    // Computes the results of input rows first..last (exclusive).
    void run(Rows& rows, Index first, Index last);

  private:
    // The place for the sums that luma row y makes possible, counted from the band's first.
    char* sums(Index y) const {
        return sums_.data() + (y + network_.radius()) % abreast_ * network_.outputs() * stride_ * 4;
    }
    const Network& network_;
    Index height_, stride_;
    std::vector<Columns> plan_;
    Index abreast_;  // rows that enter a strip before the next strip has its turn
    Ring luma_;
    std::vector<Strip> strips_;
    Memory sums_;
};

}  // namespace sesr
