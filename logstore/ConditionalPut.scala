package carillon

import java.io.IOException
import java.nio.file.FileAlreadyExistsException
import java.util.Arrays

import org.apache.hadoop.fs.{FileSystem, Path}
import org.apache.hadoop.fs.Options.CreateFileOptionKeys.FS_OPTION_CREATE_CONDITIONAL_OVERWRITE
import org.apache.hadoop.fs.s3a.AWSServiceIOException

/** Small objects on S3, each sent whole.
  *
  * Invariant: of all who create one object exactly one succeeds. S3 itself arbitrates: the object is sent by a single PUT
  * (or CompleteMultipartUpload) that carries `If-None-Match: *`. The losers see FileAlreadyExistsException.
  *
  * It does not serve stores without conditional writes: there the create is refused by the store, and nothing is written.
  */
private[carillon] object ConditionalPut {
  private val MaxConflicts = 10
  private val ConflictPauseMs = 50L

  /** Write the object unless there is one. */
  def create(fs: FileSystem, path: Path, bytes: Array[Byte]): Unit = createOnce(fs, path, bytes, MaxConflicts)

  /** Write the object, whatever was there. */
  def replace(fs: FileSystem, path: Path, bytes: Array[Byte]): Unit = put(fs, path, bytes, conditional = false)

  private def createOnce(fs: FileSystem, path: Path, bytes: Array[Byte], conflictsLeft: Int): Unit =
    try put(fs, path, bytes, conditional = true)
    catch {
      case refused: IOException =>
        // Below us the SDK and S3A repeat a PUT whose answer was lost. If the first one had landed, the second is refused
        // by our own object: that is success. A commit of Delta carries a unique txnId, and the offsets of an epoch the
        // millisecond at which they were read, so equal bytes can only be ours.
        existing(fs, path) match {
          case Some(found) if Arrays.equals(found, bytes) => ()
          case Some(_) => throw alreadyExists(path, refused)
          case None if isConflict(refused) && conflictsLeft > 0 =>
            // 409: S3 could not decide between requests in flight and asks for another try.
            Thread.sleep(ConflictPauseMs)
            createOnce(fs, path, bytes, conflictsLeft - 1)
          case None => throw refused
        }
    }

  private def put(fs: FileSystem, path: Path, bytes: Array[Byte], conditional: Boolean): Unit = {
    val builder = fs.createFile(path).overwrite(true).recursive()
    // `must`: a file system that does not know the option refuses it, instead of overwriting in silence.
    if (conditional) builder.must(FS_OPTION_CREATE_CONDITIONAL_OVERWRITE, true)
    val stream = builder.build()
    // S3A sends the object in close(); a failed write() must therefore not reach it with half of the bytes.
    stream.write(bytes)
    stream.close()
  }

  private def existing(fs: FileSystem, path: Path): Option[Array[Byte]] =
    try {
      val stream = fs.open(path)
      try Some(stream.readAllBytes())
      finally stream.close()
    } catch { case _: java.io.FileNotFoundException => None }

  private def isConflict(error: IOException): Boolean = error match {
    case service: AWSServiceIOException => service.statusCode() == 409
    case _ => false
  }

  private def alreadyExists(path: Path, cause: IOException): FileAlreadyExistsException = {
    val exists = new FileAlreadyExistsException(path.toString)
    exists.initCause(cause)
    exists
  }
}
